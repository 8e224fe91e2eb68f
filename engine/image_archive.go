package engine

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
)

// An ImageArchive is an archive of container images on the controller, as docker save and podman save write it, plain or compressed with gzip. It
// is known by the images in it: the hash of the file itself says nothing about them and is left empty.
type ImageArchive struct {
	Blob
	Images []ArchivedImage
}

// An ArchivedImage is what an archive tells of one image. Modules compare it with what a runtime tells of the images it has.
type ArchivedImage struct {
	Names        []string // NAME:TAG, as the archive has them
	ID           string   // sha256:…, the digest of its configuration
	Manifests    []string // digests of manifests that the archive holds of it: some stores count by these
	OS           string
	Architecture string
	Layers       []string // digests of the uncompressed layers
	Created      string
}

// What is kept of an archive while it is read. Configurations are a few kilobytes.
const (
	largestArchiveText = 4 << 20
	largestArchiveSum  = 64 << 20
)

// readImageArchive reads what an archive tells of its images. It seeks over the layers of a plain archive; a compressed one is read whole.
func readImageArchive(file string) (ImageArchive, error) {
	f, err := os.Open(file)
	if err != nil {
		return ImageArchive{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return ImageArchive{}, err
	}
	if !st.Mode().IsRegular() {
		return ImageArchive{}, fmt.Errorf("%s is not a regular file", file)
	}
	r, err := archiveReader(f)
	if err != nil {
		return ImageArchive{}, fmt.Errorf("%s: %w", file, err)
	}
	texts, err := archiveTexts(r)
	if err != nil {
		return ImageArchive{}, fmt.Errorf("%s: %w", file, err)
	}
	images, err := texts.images()
	if err != nil {
		return ImageArchive{}, fmt.Errorf("%s: %w", file, err)
	}
	return ImageArchive{Blob: Blob{Size: st.Size(), Source: file}, Images: images}, nil
}

// imageArchiveFlaw tells what is wrong with the beginning of an archive: what can be told before any host is contacted, at no cost. One that is
// not there may be there once the playbook runs.
func imageArchiveFlaw(file string) string {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	r, err := archiveReader(f)
	if err == nil {
		_, err = tar.NewReader(r).Next()
		err = tarError(err)
	}
	if err != nil {
		return fmt.Sprintf("%s: %s", file, err)
	}
	return ""
}

// archiveReader gives the archive without its compression.
func archiveReader(f *os.File) (io.Reader, error) {
	var head [6]byte
	n, err := io.ReadFull(f, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	for _, c := range []struct{ magic, name string }{{"\x28\xb5\x2f\xfd", "zstd"}, {"\xfd7zXZ\x00", "xz"}, {"BZh", "bzip2"}} {
		if strings.HasPrefix(string(head[:n]), c.magic) {
			return nil, fmt.Errorf("is compressed with %s; runtimes load archives that are plain or compressed with gzip", c.name)
		}
	}
	if strings.HasPrefix(string(head[:n]), "\x1f\x8b") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, fmt.Errorf("is not an archive of images: %w", err)
		}
		return z, nil
	}
	return f, nil
}

// archiveText is what is kept of an archive: every small entry that may be JSON, by its name.
type archiveText map[string][]byte

func archiveTexts(r io.Reader) (archiveText, error) {
	texts, sum := archiveText{}, int64(0)
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) && len(texts) > 0 {
			return texts, nil
		}
		if err = tarError(err); err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg || h.Size > largestArchiveText || h.Size == 0 {
			continue
		}
		text, err := jsonText(t, h.Size)
		if err != nil {
			return nil, tarError(err)
		}
		if text == nil {
			continue
		}
		if sum += h.Size; sum > largestArchiveSum {
			return nil, fmt.Errorf("is not an archive of images: it holds more than %d MiB of JSON", largestArchiveSum>>20)
		}
		texts[path.Clean(h.Name)] = text
	}
}

// jsonText reads an entry that begins as JSON does; nil: it does not.
func jsonText(r io.Reader, size int64) ([]byte, error) {
	var first [1]byte
	if _, err := io.ReadFull(r, first[:]); err != nil {
		return nil, err
	}
	if first[0] != '{' && first[0] != '[' {
		return nil, nil
	}
	text := make([]byte, size)
	text[0] = first[0]
	_, err := io.ReadFull(r, text[1:])
	return text, err
}

func tarError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return errors.New("is not an archive of images: it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("ends in the middle: it was not written to its end")
	case errors.Is(err, tar.ErrHeader):
		return errors.New("is not an archive: docker save writes one")
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// images reads manifest.json and the configurations that it names.
func (texts archiveText) images() ([]ArchivedImage, error) {
	text, ok := texts["manifest.json"]
	if !ok {
		if texts["index.json"] != nil {
			return nil, errors.New("is an OCI layout without the manifest.json that runtimes load by: write it with docker save, or with skopeo copy … docker-archive:FILE:NAME:TAG")
		}
		return nil, errors.New("is an archive, and holds no images: it has no manifest.json (docker export writes such ones; docker save is meant)")
	}
	var list []struct {
		Config   string
		RepoTags []string
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("its manifest.json cannot be read: %w", err)
	}
	if len(list) == 0 {
		return nil, errors.New("its manifest.json names no image")
	}
	var out []ArchivedImage
	for _, m := range list {
		img, err := texts.image(m.Config)
		if err != nil {
			return nil, err
		}
		img.Names = m.RepoTags
		out = append(out, img)
	}
	return out, nil
}

var hexDigest = regexp.MustCompile(`[0-9a-f]{64}`)

func (texts archiveText) image(config string) (ArchivedImage, error) {
	text, ok := texts[path.Clean(config)]
	if !ok {
		return ArchivedImage{}, fmt.Errorf("its manifest.json names the configuration %q, which it does not hold", config)
	}
	sum := sha256.Sum256(text)
	id := hex.EncodeToString(sum[:])
	if named := hexDigest.FindString(config); named != "" && named != id {
		return ArchivedImage{}, fmt.Errorf("is damaged: its configuration %q has the digest %s", config, id)
	}
	var c struct {
		OS, Architecture, Created string
		RootFS                    struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return ArchivedImage{}, fmt.Errorf("its configuration %q cannot be read: %w", config, err)
	}
	return ArchivedImage{
		ID: "sha256:" + id, Manifests: texts.manifestsOf("sha256:" + id), OS: c.OS, Architecture: c.Architecture, Layers: c.RootFS.DiffIDs, Created: c.Created,
	}, nil
}

// manifestsOf are the digests of the image manifests that name a configuration, and of the indexes that name these.
func (texts archiveText) manifestsOf(id string) []string {
	var out []string
	names := [][]byte{[]byte(id)}
	for len(names) > 0 {
		var more [][]byte
		for name, text := range texts {
			sum := sha256.Sum256(text)
			digest := "sha256:" + hex.EncodeToString(sum[:])
			if !strings.HasPrefix(name, "blobs/sha256/") || digest == id || !bytes.Contains(text, names[0]) {
				continue
			}
			out, more = append(out, digest), append(more, []byte(digest))
		}
		names = append(names[1:], more...)
	}
	return out
}

// An archiveReading is what is read of archives during a run: each once, however many hosts get it.
type archiveReading struct {
	mu   sync.Mutex
	read map[string]func() (ImageArchive, error)
}

func (a *archiveReading) archive(file string) (ImageArchive, error) {
	st, err := os.Stat(file)
	if err != nil {
		return ImageArchive{}, err
	}
	key := fmt.Sprint(file, "\x00", st.Size(), st.ModTime())
	a.mu.Lock()
	if a.read == nil {
		a.read = map[string]func() (ImageArchive, error){}
	}
	if a.read[key] == nil {
		a.read[key] = sync.OnceValues(func() (ImageArchive, error) { return readImageArchive(file) })
	}
	read := a.read[key]
	a.mu.Unlock()
	return read()
}
