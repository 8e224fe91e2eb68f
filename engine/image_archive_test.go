package engine

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// tarOf packs entries: NAME, CONTENT, …
func tarOf(t *testing.T, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: entries[i], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(entries[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(entries[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeTemp(t *testing.T, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "images.tar")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// An archive that a library wrote, and the same compressed, tell the id that the library computes.
func TestImageArchiveTellsItsImages(t *testing.T) {
	img, err := random.Image(2<<20, 2) // layers that have to be passed over
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "arm64"
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	tag := name.MustParseReference("reg.example.com:5000/rocm/cvs:7")
	if err := tarball.Write(tag, img, &plain); err != nil {
		t.Fatal(err)
	}
	id, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	for form, data := range map[string][]byte{"plain": plain.Bytes(), "gzip": gzipped(t, plain.Bytes())} {
		got, err := readImageArchive(writeTemp(t, data))
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if got.Size != int64(len(data)) || len(got.Images) != 1 {
			t.Fatalf("%s: %+v", form, got)
		}
		have := got.Images[0]
		layers := []string{config.RootFS.DiffIDs[0].String(), config.RootFS.DiffIDs[1].String()}
		want := fmt.Sprint([]string{tag.Name()}, id.String(), "linux", "arm64", layers)
		if text := fmt.Sprint(have.Names, have.ID, have.OS, have.Architecture, have.Layers); text != want {
			t.Errorf("%s\n got %s\nwant %s", form, text, want)
		}
	}
}

// What newer versions of docker write is an OCI layout with a manifest.json: the manifests that name the configuration are told too.
func TestImageArchiveTellsManifests(t *testing.T) {
	config := `{"architecture":"amd64","os":"linux","rootfs":{"diff_ids":[]}}`
	digest := func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	manifest := `{"config":{"digest":"sha256:` + digest(config) + `"}}`
	index := `{"manifests":[{"digest":"sha256:` + digest(manifest) + `"}]}`
	other := `{"config":{"digest":"sha256:` + digest("other") + `"}}`
	got, err := readImageArchive(writeTemp(t, tarOf(t,
		"blobs/sha256/"+digest(index), index, "blobs/sha256/"+digest(other), other, "blobs/sha256/"+digest(manifest), manifest, "blobs/sha256/"+digest(config), config,
		"index.json", "{}", "manifest.json", `[{"Config":"blobs/sha256/`+digest(config)+`","RepoTags":["a:1"]}]`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"sha256:" + digest(manifest), "sha256:" + digest(index)}
	if fmt.Sprint(got.Images[0].Manifests) != fmt.Sprint(want) {
		t.Errorf("manifests %v, want %v", got.Images[0].Manifests, want)
	}
}

func TestImageArchiveErrors(t *testing.T) {
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	oci := t.TempDir()
	if _, err := layout.Write(oci, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})); err != nil {
		t.Fatal(err)
	}
	var layoutEntries []string
	for _, file := range []string{"index.json", "oci-layout"} {
		text, err := os.ReadFile(filepath.Join(oci, file))
		if err != nil {
			t.Fatal(err)
		}
		layoutEntries = append(layoutEntries, file, string(text))
	}
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(rand.IntN(255) + 1)
	}
	noise[0] = 'x'
	whole := tarOf(t, "layer.tar", string(noise), "manifest.json", `[{"Config":"c.json"}]`)
	for _, c := range []struct {
		name  string
		data  []byte
		want  string
		early bool // told before any host is contacted
	}{
		{"not an archive", noise, "is not an archive: docker save writes one", true},
		{"empty", nil, "it is empty", true},
		{"zstd", []byte("\x28\xb5\x2f\xfd rest"), "compressed with zstd", true},
		{"xz", []byte("\xfd7zXZ\x00 rest"), "compressed with xz", true},
		{"gzip of no archive", gzipped(t, noise), "is not an archive", true},
		{"cut gzip", gzipped(t, whole)[:60], "ends in the middle", true},
		{"cut", whole[:3000], "ends in the middle", false},
		{"docker export", tarOf(t, "etc/passwd", "root", "etc/x.json", "{}"), "holds no images: it has no manifest.json", false},
		{"OCI layout", tarOf(t, layoutEntries...), "is an OCI layout without the manifest.json", false},
		{"no configuration", tarOf(t, "manifest.json", `[{"Config":"c.json","RepoTags":["a:1"]}]`), `names the configuration "c.json", which it does not hold`, false},
		{"damaged", tarOf(t, strings.Repeat("a", 64)+".json", "{}", "manifest.json", `[{"Config":"`+strings.Repeat("a", 64)+`.json"}]`), "is damaged", false},
		{"no manifest of ours", tarOf(t, "manifest.json", `{"a":1}`), "manifest.json cannot be read", false},
		{"names no image", tarOf(t, "manifest.json", `[]`), "names no image", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := writeTemp(t, c.data)
			_, err := readImageArchive(file)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), file) {
				t.Errorf("got %v, want %q with the path", err, c.want)
			}
			if early := AsImageArchive.flaw(file); (early != "") != c.early || c.early && !strings.Contains(early, c.want) {
				t.Errorf("before any host is contacted: %q", early)
			}
		})
	}
	if flaw := AsImageArchive.flaw(filepath.Join(oci, "none")); flaw != "" {
		t.Errorf("a file that is not there yet: %s", flaw)
	}
	if _, err := readImageArchive(oci); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("of a directory: %v", err)
	}
}

// Many hosts read an archive once.
func TestImageArchiveIsReadOnce(t *testing.T) {
	config := `{"architecture":"amd64"}`
	file := writeTemp(t, tarOf(t, "c.json", config, "manifest.json", `[{"Config":"c.json","RepoTags":["a:1"]}]`))
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	reading := &archiveReading{}
	first, err := reading.archive(file)
	if err != nil {
		t.Fatal(err)
	}
	// Other bytes under the same size and time are not looked at again.
	if err := os.WriteFile(file, make([]byte, st.Size()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, st.ModTime(), st.ModTime()); err != nil {
		t.Fatal(err)
	}
	again, err := reading.archive(file)
	if err != nil || again.Images[0].ID != first.Images[0].ID {
		t.Errorf("read again: %+v, %v", again, err)
	}
	if _, err := (&archiveReading{}).archive(file); err == nil {
		t.Error("another run does not read what is there now")
	}
}
