package lab

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/spf13/pflag"
)

func (d *dockerCLI) images(f *pflag.FlagSet) func([]string) error {
	quiet, whole, digests := f.BoolP("quiet", "q", false, ""), f.Bool("no-trunc", false, ""), f.Bool("digests", false, "")
	f.BoolP("all", "a", false, "")
	format := f.String("format", "", "")
	return func(args []string) error {
		if err := needArgs(args, 0, 1); err != nil {
			return err
		}
		var rows []object
		for _, row := range d.engine.imageRows(*whole) {
			full := fmt.Sprintf("%v:%v", row["Repository"], row["Tag"])
			if len(args) == 1 && args[0] != row["Repository"] && args[0] != full {
				continue
			}
			if *quiet {
				fmt.Fprintln(d.p.Stdout(), row["ID"])
				continue
			}
			rows = append(rows, row)
		}
		if *quiet {
			return nil
		}
		headings := []string{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"}
		if *digests {
			headings = []string{"REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"}
		}
		return d.table(*format, headings, rows)
	}
}

// imageRows is what docker images tells: a row for each tag, and one for an image that has only digests.
func (e *ContainerEngine) imageRows(whole bool) []object {
	e.mu.Lock()
	defer e.mu.Unlock()
	var rows []object
	add := func(repository, tag string, img *labImage) {
		id := img.id
		if !whole {
			id = shortImageID(id)
		}
		digest := "<none>"
		for _, full := range slices.Sorted(maps.Keys(e.digests)) {
			if repo, d, _ := strings.Cut(full, "@"); e.digests[full] == img && familiarName(repo) == repository {
				digest = d
			}
		}
		rows = append(rows, object{
			"Repository": repository, "Tag": tag, "ID": id, "Digest": digest, "CreatedSince": ago(e.host.lab.now().Sub(img.created)) + " ago",
			"CreatedAt": stamp(img.created), "Size": fmt.Sprintf("%dB", img.size),
		})
	}
	tagged := map[*labImage]bool{}
	for _, full := range slices.Sorted(maps.Keys(e.tags)) {
		at := strings.LastIndexByte(full, ':')
		add(familiarName(full[:at]), full[at+1:], e.tags[full])
		tagged[e.tags[full]] = true
	}
	for _, full := range slices.Sorted(maps.Keys(e.digests)) {
		if img := e.digests[full]; !tagged[img] {
			repository, _, _ := strings.Cut(full, "@")
			add(familiarName(repository), "<none>", img)
			tagged[img] = true
		}
	}
	return rows
}

func (d *dockerCLI) pull(f *pflag.FlagSet) func([]string) error {
	quiet := f.BoolP("quiet", "q", false, "")
	return func(args []string) error {
		if err := needArgs(args, 1, 1); err != nil {
			return err
		}
		ref, err := parseImageRef(args[0])
		if err != nil {
			return errors.New("invalid reference format")
		}
		before := d.engine.local(args[0])
		img, err := d.engine.pull(ref)
		if err != nil {
			return err
		}
		full := ref.repository()
		if ref.digest != "" {
			full += "@" + ref.digest
		} else {
			full += ":" + ref.tag
		}
		if *quiet {
			fmt.Fprintln(d.p.Stdout(), full)
			return nil
		}
		what := "Downloaded newer image"
		if before == img {
			what = "Image is up to date"
		}
		fmt.Fprintf(d.p.Stdout(), "%s: Pulling from %s\nDigest: %s\nStatus: %s for %s\n%s\n", orDefault(ref.tag, ref.digest), ref.path, img.index, what, familiarName(full), full)
		return nil
	}
}

func (d *dockerCLI) tag(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		if err := needArgs(args, 2, 2); err != nil {
			return err
		}
		img := d.engine.local(args[0])
		if img == nil {
			return daemonError("No such image: " + args[0])
		}
		ref, err := parseImageRef(args[1])
		if err != nil {
			return fmt.Errorf("Error parsing reference: %q is not a valid repository/tag: %w", args[1], err) // docker's own words
		}
		if ref.digest != "" {
			return errors.New("refusing to create a tag with a digest reference")
		}
		d.engine.tag(img, ref)
		return nil
	}
}

func (d *dockerCLI) rmi(f *pflag.FlagSet) func([]string) error {
	force := f.BoolP("force", "f", false, "")
	return func(args []string) error {
		if err := needArgs(args, 1, -1); err != nil {
			return err
		}
		failed := false
		for _, name := range args {
			said, err := d.engine.forget(name, *force)
			for _, line := range said {
				fmt.Fprintln(d.p.Stdout(), line)
			}
			if err != nil {
				fmt.Fprintln(d.p.Stderr(), err)
				failed = true
			}
		}
		if failed {
			return exitCode(1)
		}
		return nil
	}
}

// save writes an archive as docker save does: a real one, of the little that lab images consist of.
func (d *dockerCLI) save(f *pflag.FlagSet) func([]string) error {
	output := f.StringP("output", "o", "", "")
	return func(args []string) error {
		if err := needArgs(args, 1, -1); err != nil {
			return err
		}
		if *output == "" {
			return usageError("the lab saves into a file only: use --output")
		}
		images := map[name.Reference]v1.Image{}
		for _, a := range args {
			img := d.engine.local(a)
			if img == nil {
				return daemonError("No such image: " + a)
			}
			ref, err := parseImageRef(a)
			if err != nil {
				return err
			}
			tag, err := name.NewTag(ref.familiar() + ":" + ref.tag)
			if err != nil {
				return err
			}
			images[tag] = img.image
		}
		var b bytes.Buffer
		if err := tarball.MultiRefWrite(images, &b); err != nil {
			return err
		}
		if err := d.p.WriteFile(*output, b.Bytes(), 0o600); err != nil {
			return fmt.Errorf("open %s: %s", *output, strings.ToLower(strerror(err)))
		}
		return nil
	}
}

func (d *dockerCLI) load(f *pflag.FlagSet) func([]string) error {
	input := f.StringP("input", "i", "", "")
	quiet := f.BoolP("quiet", "q", false, "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		var data []byte
		var err error
		if *input != "" {
			if data, err = d.p.ReadFile(*input); err != nil {
				return fmt.Errorf("open %s: %s", *input, strings.ToLower(strerror(err)))
			}
		} else if data, err = io.ReadAll(d.p.Stdin()); err != nil {
			return err
		}
		return d.loadArchive(data, *quiet)
	}
}

// loadArchive takes in what an archive names. Only the catalogue's images can run in the lab, so an archive may hold no other.
func (d *dockerCLI) loadArchive(data []byte, quiet bool) error {
	manifest, err := archiveManifest(data)
	if err != nil {
		return err
	}
	lib, err := d.engine.host.lab.library()
	if err != nil {
		return err
	}
	for _, m := range manifest {
		img := lib.byID("sha256:" + strings.TrimPrefix(strings.TrimSuffix(m.Config, ".json"), "sha256:"))
		if img == nil {
			return fmt.Errorf("the archive holds an image that is not of the lab's catalogue: %s", m.Config)
		}
		d.engine.mu.Lock()
		d.engine.store(img)
		d.engine.mu.Unlock()
		for _, t := range m.RepoTags {
			ref, err := parseImageRef(t)
			if err != nil {
				return err
			}
			d.engine.tag(img, ref)
			if !quiet {
				fmt.Fprintf(d.p.Stdout(), "Loaded image: %s:%s\n", ref.familiar(), ref.tag)
			}
		}
	}
	return nil
}

type archivedImage struct {
	Config   string
	RepoTags []string
}

func archiveManifest(data []byte) ([]archivedImage, error) {
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err != nil {
			return nil, errors.New("invalid tar header: no manifest.json in the archive")
		}
		if h.Name != "manifest.json" {
			continue
		}
		var list []archivedImage
		if err := json.NewDecoder(r).Decode(&list); err != nil {
			return nil, fmt.Errorf("invalid manifest.json: %w", err)
		}
		return list, nil
	}
}
