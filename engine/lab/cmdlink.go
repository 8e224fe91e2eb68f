package lab

import (
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
)

// linkCommands are those about links, paths, owners and modes.
func linkCommands() map[string]Command {
	return map[string]Command{
		"ln":       command("s,symbolic f,force n,no-dereference T,no-target-directory t,target-directory= v,verbose r,relative L P", 1, lnCommand),
		"readlink": command("f,canonicalize e,canonicalize-existing m,canonicalize-missing n,no-newline q,quiet s,silent v,verbose z,zero", 1, readlinkCommand),
		"realpath": command("e,canonicalize-existing m,canonicalize-missing s,no-symlinks L P q,quiet z,zero relative-to=", 1, realpathCommand),
		"chmod":    chmodCommand,
		"chown":    command("R,recursive h,no-dereference f,silent,quiet dereference H L P preserve-root no-preserve-root", 1, chownCommand),
		"chgrp":    command("R,recursive h,no-dereference f,silent,quiet dereference H L P", 1, chgrpCommand),
		"basename": command("+ a,multiple s,suffix= z,zero", 1, basenameCommand),
		"dirname":  command("z,zero", 1, dirnameCommand),
		"link":     command("", 1, linkCommand),
		"unlink":   command("", 1, unlinkCommand),
	}
}

func lnCommand(c *cmdline) int {
	if len(c.args) == 1 && c.last("t", "") == "" {
		c.args = append(c.args, ".")
	}
	v := c.p.view()
	if c.has("n") && len(c.args) == 2 {
		if info, err := v.stat(c.args[1], false); err == nil && info.Bits.Type() == TypeSymlink {
			c.set["T"] = true
		}
	}
	sources, dests, ok := c.targets()
	if !ok {
		return 1
	}
	code := 0
	for i, src := range sources {
		if err := c.makeLink(v, src, dests[i]); err != nil {
			kind, target := "hard ", " => "+gnuQuote(src)
			if c.has("s") {
				kind, target = "symbolic ", ""
			}
			if info, serr := v.stat(src, false); !c.has("s") && serr == nil && info.IsDir() {
				c.p.Errorf("%s: hard link not allowed for directory", src)
			} else if _, serr := v.stat(src, false); !c.has("s") && serr != nil {
				c.p.Errorf("failed to access %s: %s", gnuQuote(src), strerror(serr))
			} else {
				c.p.Errorf("failed to create %slink %s%s: %s", kind, gnuQuote(dests[i]), target, strerror(err))
			}
			code = 1
		} else if c.has("v") {
			fmt.Fprintf(c.p.Stdout(), "%s -> %s\n", gnuQuote(dests[i]), gnuQuote(src))
		}
	}
	return code
}

func (c *cmdline) makeLink(v view, src, dst string) error {
	make := func(path string) error {
		if c.has("s") {
			target := src
			if c.has("r") {
				target = relativePath(dirOf(cleanPath(c.p.Abs(dst))), cleanPath(c.p.Abs(src)))
			}
			return v.symlink(target, path)
		}
		return v.link(src, path, c.has("L"))
	}
	err := make(dst)
	if reason(err) != syscall.EEXIST || !c.has("f") {
		return err
	}
	if info, serr := v.stat(dst, false); serr == nil && info.IsDir() {
		return err
	}
	temp := dirOf(cleanPath(c.p.Abs(dst))) + "/" + "Cu" + randomLetters(6)
	if err := make(temp); err != nil {
		return err
	}
	if err := v.rename(temp, dst); err != nil {
		_ = v.unlink(temp)
		return err
	}
	_ = v.unlink(temp) // renaming a file over itself leaves both names
	return nil
}

// relativePath is the way from one absolute directory to another path.
func relativePath(from, to string) string {
	a, b := elements(from), elements(to)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	out := append([]string{}, b...)
	for range a {
		out = append([]string{".."}, out...)
	}
	if len(out) == 0 {
		return "."
	}
	return strings.Join(out, "/")
}

func (c *cmdline) line(text string) {
	end := "\n"
	if c.has("z") {
		end = "\x00"
	} else if c.has("n") && c.p.name() == "readlink" && len(c.args) == 1 {
		end = ""
	}
	_, _ = io.WriteString(c.p.Stdout(), text+end)
}

func readlinkCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	code := 0
	for _, path := range c.args {
		if c.has("f") || c.has("e") || c.has("m") {
			if real, err := c.canonical(path); err == nil {
				c.line(real)
			} else {
				code = 1
			}
			continue
		}
		target, err := c.p.view().readLink(path)
		if err != nil {
			code = 1
			if c.has("v") {
				c.p.Errorf("%s: %s", path, strerror(err))
			}
			continue
		}
		c.line(target)
	}
	return code
}

// canonical is the path without links: all has to be there with -e, all but the end otherwise, nothing with -m.
func (c *cmdline) canonical(path string) (string, error) {
	v := c.p.view()
	if c.has("e") {
		if _, err := v.stat(path, true); err != nil {
			return "", err
		}
	}
	real, err := v.realpath(path)
	if err == nil || !c.has("m") {
		return real, err
	}
	return cleanPath(c.p.Abs(path)), nil
}

func realpathCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	code := 0
	for _, path := range c.args {
		real, err := c.canonical(path)
		if c.has("s") {
			real, err = cleanPath(c.p.Abs(path)), nil
		}
		if err != nil {
			code = 1
			if !c.has("q") {
				c.p.Errorf("%s: %s", path, strerror(err))
			}
			continue
		}
		if to := c.last("relative-to", ""); to != "" {
			real = relativePath(cleanPath(c.p.Abs(to)), real)
		}
		c.line(real)
	}
	return code
}

func chownCommand(c *cmdline) int {
	if len(c.args) < 2 {
		c.need(2)
		return 1
	}
	w := c.p.world
	spec := c.args[0]
	user, group, both := strings.Cut(spec, ":")
	if !both {
		if u, g, dotted := strings.Cut(spec, "."); dotted {
			user, group, both = u, g, true
		}
	}
	uid, gid := -1, -1
	var err error
	if user != "" {
		if uid, err = w.userID(user); err != nil {
			c.p.Errorf("invalid user: %s", gnuQuote(spec))
			return 1
		}
		if both && group == "" {
			if u, ok := w.LookupUID(uid); ok {
				gid = u.GID
			}
		}
	}
	if group != "" {
		if gid, err = w.groupID(group); err != nil {
			c.p.Errorf("invalid group: %s", gnuQuote(spec))
			return 1
		}
	}
	return c.changeOwner(c.args[1:], uid, gid, "ownership")
}

func chgrpCommand(c *cmdline) int {
	if len(c.args) < 2 {
		c.need(2)
		return 1
	}
	gid, err := c.p.world.groupID(c.args[0])
	if err != nil {
		c.p.Errorf("%v", err)
		return 1
	}
	return c.changeOwner(c.args[1:], -1, gid, "group")
}

func (c *cmdline) changeOwner(paths []string, uid, gid int, what string) int {
	v := c.p.view()
	code := 0
	for _, path := range paths {
		follow := !c.has("h") && !c.has("R")
		err := c.recursively(v, path, func(path string, _ Info) error {
			if err := v.chown(path, uid, gid, follow); err != nil {
				return fmt.Errorf("changing %s of %s: %w", what, gnuQuote(path), err)
			}
			return nil
		})
		if err != nil {
			code = 1
		}
	}
	return code
}

// recursively applies change to path, and with -R to what is below. It reports errors, goes on, and gives the last.
func (c *cmdline) recursively(v view, path string, change func(path string, info Info) error) error {
	info, err := v.stat(path, !c.has("h") && !c.has("R"))
	if err != nil {
		if !c.has("f") {
			c.p.Errorf("cannot access %s: %s", gnuQuote(path), strerror(err))
		}
		return err
	}
	var last error
	if c.has("R") && info.IsDir() {
		entries, err := v.readDir(path)
		if err != nil {
			c.p.Errorf("cannot read directory %s: %s", gnuQuote(path), strerror(err))
			last = err
		}
		for _, e := range entries {
			if err := c.recursively(v, strings.TrimRight(path, "/")+"/"+e.Base, change); err != nil {
				last = err
			}
		}
	}
	if err := change(path, info); err != nil {
		if !c.has("f") {
			text := err.Error()
			if i := strings.LastIndex(text, ": "); i >= 0 {
				text = text[:strings.Index(text, ": ")]
			}
			c.p.Errorf("%s: %s", text, strerror(err))
		}
		last = err
	}
	return last
}

// chmodCommand lets modes such as -w pass as operands.
func chmodCommand(ctx context.Context, p *Process, argv []string) int {
	run := command("R,recursive f,silent,quiet reference= preserve-root no-preserve-root", 1, chmodProgram)
	for i, arg := range argv[1:] {
		if len(arg) > 1 && arg[0] == '-' && strings.IndexByte("rwxXstugo", arg[1]) >= 0 {
			argv = append(append(append([]string{}, argv[:i+1]...), "--"), argv[i+1:]...)
			break
		}
		if arg == "--" || (arg != "" && arg[0] != '-') {
			break
		}
	}
	return run(ctx, p, argv)
}

// chmodProgram is chmod, whose modes may look like options.
func chmodProgram(c *cmdline) int {
	if ref := c.last("reference", ""); ref != "" {
		info, err := c.p.Stat(ref)
		if err != nil {
			c.p.Errorf("failed to get attributes of %s: %s", gnuQuote(ref), strerror(err))
			return 1
		}
		c.args = append([]string{fmt.Sprintf("%04o", info.Bits.Perm())}, c.args...)
	}
	if len(c.args) < 2 {
		c.need(2)
		return 1
	}
	v := c.p.view()
	text := c.args[0]
	if _, ok := parseMode(text, 0, v.umask, false); !ok {
		c.p.Errorf("invalid mode: %s", gnuQuote(text))
		fmt.Fprintf(c.p.Stderr(), "Try 'chmod --help' for more information.\n")
		return 1
	}
	code := 0
	for _, path := range c.args[1:] {
		err := c.recursively(v, path, func(path string, info Info) error {
			if info.Bits.Type() == TypeSymlink {
				return nil
			}
			mode, _ := parseMode(text, info.Bits.Perm(), v.umask, info.IsDir())
			if err := v.chmod(path, mode, true); err != nil {
				return fmt.Errorf("changing permissions of %s: %w", gnuQuote(path), err)
			}
			return nil
		})
		if err != nil {
			code = 1
		}
	}
	return code
}

func basenameCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	names, suffix := c.args[:1], c.last("s", "")
	if c.has("a") || c.has("s") {
		names = c.args
	} else if len(c.args) > 2 {
		c.p.Errorf("extra operand %s", gnuQuote(c.args[2]))
		return 1
	} else if len(c.args) == 2 {
		suffix = c.args[1]
	}
	for _, name := range names {
		base := strings.TrimRight(name, "/")
		if base == "" && name != "" {
			base = "/"
		} else {
			base = base[strings.LastIndexByte(base, '/')+1:]
		}
		if base != suffix {
			base = strings.TrimSuffix(base, suffix)
		}
		c.line(base)
	}
	return 0
}

func dirnameCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	for _, name := range c.args {
		dir := strings.TrimRight(name, "/")
		i := strings.LastIndexByte(dir, '/')
		switch {
		case dir == "" && name != "":
			dir = "/"
		case i < 0:
			dir = "."
		default:
			dir = orDefault(strings.TrimRight(dir[:i], "/"), "/")
		}
		c.line(dir)
	}
	return 0
}

func linkCommand(c *cmdline) int {
	if len(c.args) != 2 {
		c.need(2)
		return 1
	}
	if err := c.p.view().link(c.args[0], c.args[1], false); err != nil {
		c.p.Errorf("cannot create link %s to %s: %s", gnuQuote(c.args[1]), gnuQuote(c.args[0]), strerror(err))
		return 1
	}
	return 0
}

func unlinkCommand(c *cmdline) int {
	if len(c.args) != 1 {
		c.need(1)
		return 1
	}
	if err := c.p.view().unlink(c.args[0]); err != nil {
		c.p.Errorf("cannot unlink %s: %s", gnuQuote(c.args[0]), strerror(err))
		return 1
	}
	return 0
}
