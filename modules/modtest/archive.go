package modtest

import (
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
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
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(path, tag, img); err != nil {
		t.Fatal(err)
	}
	return path
}
