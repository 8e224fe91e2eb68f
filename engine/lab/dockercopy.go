package lab

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/pflag"
)

// cp copies a file or a tree between the host and a container, which need not run.
func (d *dockerCLI) cp(f *pflag.FlagSet) func([]string) error {
	f.BoolP("quiet", "q", false, "")
	return func(args []string) error {
		if err := needArgs(args, 2, 2); err != nil {
			return err
		}
		from, fromPath, errFrom := d.copyEnd(args[0])
		to, toPath, errTo := d.copyEnd(args[1])
		switch {
		case errors.Join(errFrom, errTo) != nil:
			return errors.Join(errFrom, errTo)
		case (from == nil) == (to == nil):
			return usageError("must specify at least one container source")
		}
		source, target := d.p.view(), d.p.view()
		if from != nil {
			source = rootView(from.fs)
		} else {
			target = rootView(to.fs)
		}
		info, err := source.stat(fromPath, true)
		if err != nil && from != nil {
			return daemonError(fmt.Sprintf("Could not find the file %s in container %s", fromPath, from.name))
		}
		if err != nil {
			missing := fromPath
			for up := path.Dir(missing); up != missing; missing, up = up, path.Dir(up) {
				if _, err := source.stat(up, true); err == nil {
					break
				}
			}
			return fmt.Errorf("lstat %s: no such file or directory", missing)
		}
		if into, err := target.stat(toPath, true); err == nil && into.IsDir() {
			toPath = path.Join(toPath, path.Base(fromPath))
		}
		return copyTree(source, fromPath, target, toPath, info)
	}
}

// copyEnd reads CONTAINER:PATH, or a path of the host.
func (d *dockerCLI) copyEnd(s string) (*container, string, error) {
	name, file, ok := strings.Cut(s, ":")
	if !ok || strings.HasPrefix(s, "/") || strings.HasPrefix(s, ".") {
		return nil, s, nil
	}
	c, err := d.engine.find(name)
	return c, path.Join("/", file), err
}

func copyTree(from view, path string, to view, at string, info Info) error {
	if !info.IsDir() {
		data, err := from.readFile(path)
		if err == nil {
			err = to.writeFile(at, data, info.Bits&PermMask)
		}
		return copyError(at, err)
	}
	if err := to.mkdirAll(at, info.Bits&PermMask); err != nil {
		return copyError(at, err)
	}
	entries, err := from.readDir(path)
	if err != nil {
		return copyError(path, err)
	}
	for _, e := range entries {
		inner, err := from.stat(path+"/"+e.Base, true)
		if err == nil {
			err = copyTree(from, path+"/"+e.Base, to, at+"/"+e.Base, inner)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyError(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("open %s: %s", path, strings.ToLower(strerror(err)))
}
