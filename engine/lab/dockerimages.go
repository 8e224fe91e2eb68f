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
	format, filters := f.String("format", "", ""), f.StringArrayP("filter", "f", nil, "")
	return func(args []string) error {
		if err := needArgs(args, 0, 1); err != nil {
			return err
		}
		want, err := imageFilter(*filters)
		if err != nil {
			return err
		}
		rows := []imageRow{}
		for _, row := range d.engine.imageRows(*whole) {
			row.digests = *digests
			if want(row) && (len(args) == 0 || args[0] == row.Repository || args[0] == row.Repository+":"+row.Tag) {
				rows = append(rows, row)
			}
		}
		if *quiet && *format == "" {
			*format = "{{.ID}}"
		}
		headings := []string{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"}
		if *digests {
			headings = []string{"REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"}
		}
		return table(d, *format, headings, rows)
	}
}

// imageFilter is the meaning of --filter: a pattern of references, or those without a tag.
func imageFilter(filters []string) (func(imageRow) bool, error) {
	want := func(imageRow) bool { return true }
	for _, f := range filters {
		key, value, _ := strings.Cut(f, "=")
		before := want
		switch key {
		case "reference":
			if _, err := path.Match(value, ""); err != nil {
				return nil, daemonError("invalid filter 'reference=" + value + "'")
			}
			want = func(r imageRow) bool {
				repository, _ := path.Match(value, r.Repository)
				whole, _ := path.Match(value, r.Repository+":"+r.Tag)
				return before(r) && (repository || whole)
			}
		case "dangling":
			want = func(r imageRow) bool {
				return before(r) && (r.Tag == "<none>" && r.Digest == "<none>") == (value == "true")
			}
		default:
			return nil, daemonError("invalid filter '" + key + "'")
		}
	}
	return want, nil
}

// An imageRow is what docker images tells of a tag.
type imageRow struct {
	CreatedAt, CreatedSince, Digest, ID, Repository, Size, Tag string

	digests bool // are shown
}

func (r imageRow) cells() []string {
	if r.digests {
		return []string{r.Repository, r.Tag, r.Digest, r.ID, r.CreatedSince, r.Size}
	}
	return []string{r.Repository, r.Tag, r.ID, r.CreatedSince, r.Size}
}

// imageRows is what docker images tells: a row for each tag, and one for an image that has only digests, or no name at all.
func (e *ContainerEngine) imageRows(whole bool) []imageRow {
	e.mu.Lock()
	defer e.mu.Unlock()
	var rows []imageRow
	seen := map[*labImage]bool{}
	add := func(repository, tag string, img *labImage) {
		seen[img] = true
		r := imageRow{
			Repository: e.shown([]string{repository})[0], Tag: tag, ID: shortImageID(img.id), Digest: "<none>", CreatedSince: ago(e.host.lab.now().Sub(img.created)) + " ago",
			CreatedAt: stamp(img.created), Size: fmt.Sprintf("%dB", img.size),
		}
		if whole {
			r.ID = img.id
		}
		for _, full := range append(keysOf(e.digests, img), e.known[img.id]...) {
			if repo, d, ok := strings.Cut(full, "@"); ok && repo == repository {
				r.Digest = d
			} else if !ok {
				r.Digest = full
				break
			}
		}
		rows = append(rows, r)
	}
	for _, full := range slices.Sorted(maps.Keys(e.tags)) {
		at := strings.LastIndexByte(full, ':')
		add(full[:at], full[at+1:], e.tags[full])
	}
	for _, full := range slices.Sorted(maps.Keys(e.digests)) {
		if img := e.digests[full]; !seen[img] {
			add(repositoryOf(full), "<none>", img)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(e.images)) {
		if img := e.images[id]; !seen[img] {
			add("<none>", "<none>", img)
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
		full := ref.full()
		before := d.engine.local(args[0])
		said := d.out()
		if *quiet {
			said = io.Discard
		}
		if _, err := d.engine.offered(ref, d.loginFor(ref.domain)); err == nil {
			fmt.Fprintf(said, "%s: Pulling from %s\n", orDefault(ref.tag, ref.digest), ref.path)
		}
		img, err := d.engine.pull(ref, d.loginFor(ref.domain))
		if err != nil {
			return err
		}
		what := "Downloaded newer image"
		if before == img {
			what = "Image is up to date"
		}
		fmt.Fprintf(said, "Digest: %s\nStatus: %s for %s\n", orDefault(ref.digest, img.index), what, familiarName(full))
		fmt.Fprintln(d.out(), full)
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
			return d.engine.imageMissing(args[0])
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
				fmt.Fprintln(d.out(), line)
			}
			if err != nil {
				fmt.Fprintln(d.errs(), err)
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
			if img == nil && strings.Contains(s, ":") {
				return daemonError("reference does not exist")
			}
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
			_, err = d.out().Write(data)
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
				fmt.Fprintf(d.out(), "The image %s:%s already exists, renaming the old one with ID %s to empty string\n", ref.familiar(), ref.tag, other.id)
			}
			d.engine.tag(img, ref)
			fmt.Fprintf(d.out(), "Loaded image: %s:%s\n", ref.familiar(), ref.tag)
		}
		if len(m.RepoTags) == 0 {
			fmt.Fprintf(d.out(), "Loaded image ID: %s\n", img.id)
		}
	}
	return nil
}
