package modtest

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// ArchivedImage is the name of the image in the archive that cases get. No registry has it.
const ArchivedImage = "laws.invalid/archived:1"

// Archive writes an image of a registry that is reached over plain HTTP into an archive on this machine, under another name, and gives its path.
func Archive(t testing.TB, image, as string) string {
	t.Helper()
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(as)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	return writeArchive(t, img, tag)
}

// RandomArchive writes an image of noise, for this machine's architecture, into an archive on this machine: its content is nowhere else.
func RandomArchive(t testing.TB, as string, size int64) string {
	t.Helper()
	tag, err := name.NewTag(as)
	if err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(size/2, 2)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return writeArchive(t, img, tag)
}

func writeArchive(t testing.TB, img v1.Image, tag name.Tag) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(path, tag, img); err != nil {
		t.Fatal(err)
	}
	return path
}
