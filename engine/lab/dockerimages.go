package lab

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

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

// save writes an archive of images, into a file or onto standard output.
func (d *dockerCLI) save(f *pflag.FlagSet) func([]string) error {
	output := f.StringP("output", "o", "", "")
	return func(args []string) error {
		if err := needArgs(args, 1, -1); err != nil {
			return err
		}
		a := &imageArchive{layout: true}
		for _, s := range args {
			img := d.engine.local(s)
			if img == nil {
				return daemonError("No such image: " + s)
			}
			a.add(img, d.savedAs(img, s))
		}
		data, err := a.bytes()
		if err != nil {
			return err
		}
		if *output == "" {
			_, err = d.p.Stdout().Write(data)
			return err
		}
		if info, err := d.p.view().stat(path.Dir(*output), true); err != nil || !info.IsDir() {
			return fmt.Errorf("failed to save image: invalid output path: stat %s: no such file or directory", path.Dir(*output))
		}
		if err := d.p.WriteFile(*output, data, 0o600); err != nil {
			return fmt.Errorf("open %s: %s", *output, strings.ToLower(strerror(err)))
		}
		return nil
	}
}

// savedAs is the name under which an image goes into an archive: none where it was asked for by its id or digest.
func (d *dockerCLI) savedAs(img *labImage, s string) string {
	ref, err := parseImageRef(s)
	if err != nil || ref.digest != "" || d.engine.tagged(ref) != img {
		return ""
	}
	return ref.familiar() + ":" + ref.tag
}

func (d *dockerCLI) load(f *pflag.FlagSet) func([]string) error {
	input := f.StringP("input", "i", "", "")
	quiet := f.BoolP("quiet", "q", false, "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		data, err := d.archiveFrom(*input)
		if err == nil {
			data, err = gunzip(data)
		}
		if err == nil {
			err = d.loadArchive(data)
		}
		_ = quiet // it silences the progress, of which the lab tells nothing
		switch {
		case errors.Is(err, errCut), errors.Is(err, errNoArchive):
			return fmt.Errorf("Error processing tar file(exit status 1): %w", err) // docker's own words
		case errors.Is(err, errNoManifest):
			return errors.New("open " + dockerStore + "/tmp/docker-import-1/repositories: no such file or directory")
		}
		return err
	}
}

// archiveFrom reads an archive from a file, or from standard input.
func (d *dockerCLI) archiveFrom(input string) ([]byte, error) {
	if input == "" {
		return io.ReadAll(d.p.Stdin())
	}
	data, err := d.p.ReadFile(input)
	if err != nil {
		return nil, fmt.Errorf("open %s: %s", input, strings.ToLower(strerror(err)))
	}
	return data, nil
}

// loadArchive takes in what an archive holds.
func (d *dockerCLI) loadArchive(data []byte) error {
	lib, err := d.engine.host.lab.library()
	if err != nil {
		return err
	}
	list, err := lib.readArchive(data)
	if err != nil {
		return err
	}
	if err := d.engine.host.faults.guard(dockerStore+"/image", true); err != nil {
		return fmt.Errorf("Error processing tar file(exit status 1): write /layer.tar: %s", strings.ToLower(strerror(err))) // docker's own words
	}
	for _, m := range list {
		img := d.engine.keep(m.image)
		for _, t := range m.RepoTags {
			ref, err := parseImageRef(t)
			if err != nil {
				return err
			}
			if other := d.engine.tagged(ref); other != nil && other != img {
				fmt.Fprintf(d.p.Stdout(), "The image %s:%s already exists, renaming the old one with ID %s to empty string\n", ref.familiar(), ref.tag, other.id)
			}
			d.engine.tag(img, ref)
			fmt.Fprintf(d.p.Stdout(), "Loaded image: %s:%s\n", ref.familiar(), ref.tag)
		}
		if len(m.RepoTags) == 0 {
			fmt.Fprintf(d.p.Stdout(), "Loaded image ID: %s\n", img.id)
		}
	}
	return nil
}
