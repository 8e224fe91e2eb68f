package lab

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/spf13/pflag"
)

// podmanSave writes a docker archive. A file that is there already is not overwritten.
func (d *dockerCLI) podmanSave(f *pflag.FlagSet) func([]string) error {
	output, quiet := f.StringP("output", "o", "", ""), f.BoolP("quiet", "q", false, "")
	many := f.BoolP("multi-image-archive", "m", false, "")
	format := f.String("format", "docker-archive", "")
	return func(args []string) error {
		switch {
		case len(args) == 0:
			return podmanError{"need at least 1 argument", 125}
		case *format != "docker-archive":
			return podmanError{fmt.Sprintf("unknown format %q: the lab writes docker-archive", *format), 125}
		}
		a := &imageArchive{}
		img, err := d.archivedPodman(a, args[0])
		if err != nil {
			return err
		}
		for _, s := range args[1:] { // without -m they are further names for the first
			if *many {
				if _, err := d.archivedPodman(a, s); err != nil {
					return err
				}
			} else if ref, err := parseImageRef(localName(s)); err == nil {
				a.add(img, ref.repository()+":"+ref.tag)
			}
		}
		data, err := a.bytes()
		if err != nil {
			return err
		}
		if *output == "" {
			_, err = d.out().Write(data)
			return err
		}
		if info, err := d.p.Stat(*output); err == nil && info.Size() > 0 {
			return podmanError{"docker-archive doesn't support modifying existing images", 125}
		}
		if err := d.p.WriteFile(*output, data, 0o644); err != nil {
			return podmanError{fmt.Sprintf("creating archive writer: open %s: %s", *output, strings.ToLower(strerror(err))), 125}
		}
		if !*quiet {
			d.copied(img)
		}
		return nil
	}
}

// archivedPodman puts a local image into an archive.
func (d *dockerCLI) archivedPodman(a *imageArchive, s string) (*labImage, error) {
	img := d.engine.local(s)
	if img == nil {
		return nil, d.engine.imageMissing(s)
	}
	name := ""
	if ref, err := parseImageRef(s); err == nil && ref.digest == "" {
		d.engine.mu.Lock()
		name, _ = d.engine.lookUp(ref, s)
		d.engine.mu.Unlock()
	}
	a.add(img, name)
	return img, nil
}

// podmanLoad takes in a docker archive. As on Debian 12, one that is compressed is refused.
func (d *dockerCLI) podmanLoad(f *pflag.FlagSet) func([]string) error {
	input := f.StringP("input", "i", "", "")
	quiet := f.BoolP("quiet", "q", false, "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		file := orDefault(*input, "/var/tmp/podman1")
		if _, err := d.p.Stat(*input); *input != "" && err != nil {
			return podmanError{fmt.Sprintf("stat %s: no such file or directory", file), 125}
		}
		data, err := d.archiveFrom(*input)
		if err != nil {
			return err
		}
		if gzipped(data) {
			return badPayload(file, errNoArchive)
		}
		lib, err := d.p.Host().lab.library()
		if err != nil {
			return err
		}
		list, err := lib.readArchive(data)
		if errors.Is(err, errNoManifest) {
			err = errors.New("file does not exist")
		}
		if err != nil {
			return badPayload(file, err)
		}
		if d.p.Host().faults.guard(d.engine.store+"/image", true) != nil {
			return d.engine.fail(pullDiskFull)
		}
		return d.takeIn(list, *quiet)
	}
}

// badPayload is the answer to a file that is no archive, with the reason for each kind that it is not.
func badPayload(file string, why error) error {
	return podmanError{fmt.Sprintf("payload does not match any of the supported image formats:\n"+
		" * oci: initializing source oci:%[1]s:: open %[1]s/index.json: not a directory\n"+
		" * oci-archive: loading index: open /var/tmp/oci1/index.json: no such file or directory\n"+
		" * docker-archive: loading tar component manifest.json: %[2]s\n"+
		" * dir: open %[1]s/manifest.json: not a directory", file, why), 125}
}

// takeIn keeps the images of an archive. Podman makes a manifest of its own for each, so that even they have a digest; names without a registry become those of localhost.
func (d *dockerCLI) takeIn(list []archivedImage, quiet bool) error {
	var names []string
	for _, m := range list {
		manifest, err := m.image.unpacked(types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerUncompressedLayer)
		if err != nil {
			return err
		}
		e := d.engine
		e.mu.Lock()
		img := e.admit(m.image)
		e.learn(img, digestOf(manifest).String())
		e.mu.Unlock()
		if !quiet {
			d.copied(img)
		}
		for _, t := range m.RepoTags {
			ref, err := parseImageRef(localName(t))
			if err != nil {
				return podmanError{err.Error(), 125}
			}
			e.tag(img, ref)
			names = append(names, ref.repository()+":"+ref.tag)
		}
		if len(m.RepoTags) == 0 {
			names = append(names, img.id)
		}
	}
	for _, n := range names {
		fmt.Fprintf(d.out(), "Loaded image: %s\n", n)
	}
	return nil
}
