package lab

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
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// An imageArchive is what "save" writes and "load" reads: an image's configuration and layers as files, and manifest.json, which names them. Docker 25 and later
// name all files as an OCI layout does; podman, and Docker before that, name them by their digests alone.
type imageArchive struct {
	images []archivedImage
	layout bool // an OCI layout too
}

// archivedImage is an entry of manifest.json, and the image that it is.
type archivedImage struct {
	Config   string
	RepoTags []string
	Layers   []string

	image *labImage
}

// add puts an image into the archive under a name; without one, only as itself.
func (a *imageArchive) add(img *labImage, as string) {
	i := slices.IndexFunc(a.images, func(m archivedImage) bool { return m.image == img })
	if i < 0 {
		i = len(a.images)
		a.images = append(a.images, archivedImage{image: img})
	}
	if as != "" && !slices.Contains(a.images[i].RepoTags, as) {
		a.images[i].RepoTags = append(a.images[i].RepoTags, as)
	}
}

// bytes is the archive as a file.
func (a *imageArchive) bytes() ([]byte, error) {
	t := &tarFile{there: map[string]bool{}}
	t.writer = tar.NewWriter(&t.data)
	for i := range a.images {
		t.keep(a.files(t, &a.images[i]))
	}
	if a.layout {
		t.keep(a.index(t))
	}
	t.json("manifest.json", a.images)
	t.json("repositories", a.repositories())
	t.keep(t.writer.Close())
	return t.data.Bytes(), t.err
}

// files writes the configuration and the layers of an image, and notes where they are.
func (a *imageArchive) files(t *tarFile, m *archivedImage) error {
	config, err := m.image.image.RawConfigFile()
	if err != nil {
		return err
	}
	m.Config = a.place(m.image.id, ".json")
	t.add(m.Config, config)
	layers, err := m.image.image.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return err
		}
		content, err := l.Uncompressed()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		m.Layers = append(m.Layers, a.place(id.String(), ".tar"))
		t.add(m.Layers[len(m.Layers)-1], data)
	}
	return nil
}

func (a *imageArchive) place(digest, ending string) string {
	digest = strings.TrimPrefix(digest, "sha256:")
	if a.layout {
		return "blobs/sha256/" + digest
	}
	return digest + ending
}

// index writes what makes the archive an OCI layout.
func (a *imageArchive) index(t *tarFile) error {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	for _, m := range a.images {
		manifest, err := m.image.unpacked(types.OCIManifestSchema1, types.OCIConfigJSON, types.OCIUncompressedLayer)
		if err != nil {
			return err
		}
		digest := digestOf(manifest)
		t.add("blobs/sha256/"+digest.Hex, manifest)
		for _, tag := range append([]string{}, m.RepoTags...) {
			index.Manifests = append(index.Manifests, v1.Descriptor{
				MediaType: types.OCIManifestSchema1, Size: int64(len(manifest)), Digest: digest, Annotations: map[string]string{"io.containerd.image.name": tag},
			})
		}
	}
	t.json("oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"})
	t.json("index.json", index)
	return nil
}

// unpacked is the manifest of the image where its layers are not compressed, as an archive has it.
func (img *labImage) unpacked(manifest, config, layer types.MediaType) ([]byte, error) {
	raw, err := img.image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: manifest, Config: v1.Descriptor{MediaType: config, Size: int64(len(raw)), Digest: digestOf(raw)}}
	file, err := img.image.ConfigFile()
	if err != nil {
		return nil, err
	}
	for _, id := range file.RootFS.DiffIDs {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: layer, Size: img.size, Digest: id})
	}
	return json.Marshal(m)
}

func digestOf(data []byte) v1.Hash {
	sum := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// repositories is the oldest way of saying which names there are.
func (a *imageArchive) repositories() map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, m := range a.images {
		for _, full := range m.RepoTags {
			at := strings.LastIndexByte(full, ':')
			if out[full[:at]] == nil {
				out[full[:at]] = map[string]string{}
			}
			out[full[:at]][full[at+1:]] = strings.TrimSuffix(path.Base(m.Layers[len(m.Layers)-1]), ".tar")
		}
	}
	return out
}

// tarFile is an archive that is being written. It keeps the first error.
type tarFile struct {
	data   bytes.Buffer
	writer *tar.Writer
	there  map[string]bool
	err    error
}

func (t *tarFile) keep(err error) {
	if t.err == nil {
		t.err = err
	}
}

func (t *tarFile) add(name string, data []byte) {
	if t.there[name] {
		return
	}
	t.there[name] = true
	t.keep(t.writer.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data)), ModTime: made}))
	_, err := t.writer.Write(data)
	t.keep(err)
}

func (t *tarFile) json(name string, v any) {
	data, err := json.Marshal(v)
	t.keep(err)
	t.add(name, data)
}

// The ways in which an archive cannot be read.
var (
	errNoArchive  = errors.New("archive/tar: invalid tar header")
	errNoManifest = errors.New("no manifest.json in the archive")
	errCut        = errors.New("unexpected EOF")
)

// readArchive reads an archive and finds its images in the lab's library: only the catalogue's can run in the lab, so an archive may hold no other. What is
// named has to be there, as it was when it was saved.
func (lib *imageLibrary) readArchive(data []byte) ([]archivedImage, error) {
	files, err := untar(data)
	if err != nil {
		return nil, err
	}
	text, ok := files["manifest.json"]
	if !ok {
		return nil, errNoManifest
	}
	var list []archivedImage
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("invalid manifest.json: %w", err)
	}
	for i := range list {
		m := &list[i]
		for _, name := range append([]string{m.Config}, m.Layers...) {
			if _, ok := files[name]; !ok {
				return nil, fmt.Errorf("open /%s: no such file or directory", name)
			}
		}
		if m.image = lib.byID(digestOf(files[m.Config]).String()); m.image == nil {
			return nil, fmt.Errorf("the archive holds an image that is not of the lab's catalogue: %s", m.Config)
		}
		if err := m.image.sameLayers(files, m.Layers); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (img *labImage) sameLayers(files map[string][]byte, names []string) error {
	config, err := img.image.ConfigFile()
	if err != nil {
		return err
	}
	if len(config.RootFS.DiffIDs) != len(names) {
		return fmt.Errorf("invalid manifest, layers length mismatch: expected %d, got %d", len(config.RootFS.DiffIDs), len(names))
	}
	for i, id := range config.RootFS.DiffIDs {
		data, err := gunzip(files[names[i]])
		if err != nil {
			return err
		}
		if have := digestOf(data); have != id {
			return fmt.Errorf("invalid diffID for layer %d: expected %q, got %q", i, id, have)
		}
	}
	return nil
}

func untar(data []byte) (map[string][]byte, error) {
	files := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return files, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errCut
		case err != nil:
			return nil, errNoArchive
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, errCut
		}
		files[path.Clean(h.Name)] = content
	}
}

func gzipped(data []byte) bool { return bytes.HasPrefix(data, []byte{0x1f, 0x8b}) }

// gunzip gives what is in a compressed file, and every other as it is.
func gunzip(data []byte) ([]byte, error) {
	if !gzipped(data) {
		return data, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, errCut
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return nil, errCut
	}
	return out, nil
}

// Archive is what `docker save` writes on a host of that architecture ("amd64") that has pulled these references: for tests, and for a controller that brings
// images to hosts. An empty architecture is amd64.
func (l *Lab) Archive(arch string, refs ...string) ([]byte, error) {
	lib, err := l.library()
	if err != nil {
		return nil, err
	}
	a := &imageArchive{layout: true}
	for _, s := range refs {
		ref, err := parseImageRef(s)
		if err != nil {
			return nil, err
		}
		img := lib.find(ref, orDefault(arch, "amd64"))
		if img == nil || img.entry.Schema1 != "" {
			return nil, fmt.Errorf("the lab has no image %s for %s", s, orDefault(arch, "amd64"))
		}
		a.add(img, ref.familiar()+":"+ref.tag)
	}
	return a.bytes()
}
