package lab

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// statCommands are those that show what files are.
func statCommands() map[string]Command {
	return map[string]Command{
		"stat": command("c,format= L,dereference printf= t,terse f,file-system", 1, statCommand),
		"ls":   command("a,all A,almost-all l 1 d,directory R,recursive r,reverse t S n,numeric-uid-gid h,human-readable i,inode L,dereference F,classify? p q Q N g o G,no-group U v C full-time time-style= color? group-directories-first", 2, lsCommand),
		"du":   command("s,summarize h,human-readable b,bytes a,all k m d,max-depth= x,one-file-system L D apparent-size", 1, duCommand),
		"df":   command("h,human-readable k m P,portability l,local", 1, dfCommand),
	}
}

// typeName is the kind of a file in stat's words.
func (i Info) typeName() string {
	switch i.Bits.Type() {
	case TypeDir:
		return "directory"
	case TypeSymlink:
		return "symbolic link"
	case TypeChar:
		return "character special file"
	case TypeBlock:
		return "block special file"
	case TypeFifo:
		return "fifo"
	case TypeSocket:
		return "socket"
	}
	if i.Bytes == 0 {
		return "regular empty file"
	}
	return "regular file"
}

// permissions is the mode as ls -l shows it.
func (i Info) permissions() string {
	kind := map[Mode]byte{TypeDir: 'd', TypeSymlink: 'l', TypeChar: 'c', TypeBlock: 'b', TypeFifo: 'p', TypeSocket: 's', TypeRegular: '-'}
	out := []byte{kind[i.Bits.Type()]}
	for shift := 6; shift >= 0; shift -= 3 {
		for n, c := range []byte("rwx") {
			if i.Bits>>uint(shift)&(4>>uint(n)) == 0 {
				c = '-'
			}
			out = append(out, c)
		}
	}
	for _, s := range []struct {
		bit Mode
		at  int
		c   byte
	}{{SetUID, 3, 's'}, {SetGID, 6, 's'}, {Sticky, 9, 't'}} {
		if i.Bits&s.bit == 0 {
			continue
		}
		if out[s.at] == '-' {
			s.c -= 'a' - 'A'
		}
		out[s.at] = s.c
	}
	return string(out)
}

func statCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	if c.has("f") || c.has("t") {
		c.p.Errorf("options -f and -t are not simulated")
		return 1
	}
	format, end := c.last("c", ""), "\n"
	if c.has("printf") {
		format, _ = formatEscapes(c.last("printf", ""), escapesFormat)
		end = ""
	}
	if format == "" {
		format = "  File: %N\n  Size: %s\tBlocks: %b\tIO Block: %o   %F\nDevice: %D\tInode: %i\tLinks: %h\nAccess: (%04a/%A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n Birth: -"
	}
	return c.buffered(func(w *bufio.Writer) int {
		code := 0
		for _, path := range c.args {
			info, err := c.p.view().stat(path, c.has("L"))
			if err != nil {
				c.p.Errorf("cannot statx %s: %s", gnuQuote(path), strerror(err))
				code = 1
				continue
			}
			_, _ = w.WriteString(c.statFormat(format, path, info) + end)
		}
		return code
	})
}

// statFormat replaces the % sequences of stat -c.
func (c *cmdline) statFormat(format, path string, info Info) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		spec := "%"
		for i++; i < len(format)-1 && strings.IndexByte("0123456789-#+ .", format[i]) >= 0; i++ {
			spec += string(format[i])
		}
		text, number, known := c.statField(format[i], path, info)
		switch {
		case format[i] == '%':
			b.WriteByte('%')
		case !known:
			b.WriteString("?")
		case number >= 0 && strings.ContainsAny(spec, "0123456789") && text == "":
			fmt.Fprintf(&b, spec+"d", number)
		case text == "":
			b.WriteString(strconv.FormatInt(number, 10))
		case strings.HasPrefix(spec, "%0"):
			width, _ := strconv.Atoi(spec[1:])
			b.WriteString(strings.Repeat("0", max(0, width-len(text))) + text)
		default:
			fmt.Fprintf(&b, spec+"s", text)
		}
	}
	return b.String()
}

func (c *cmdline) statField(field byte, path string, info Info) (text string, number int64, known bool) {
	w := c.p.world
	switch field {
	case 'a':
		return strconv.FormatUint(uint64(info.Bits.Perm()), 8), 0, true
	case 'A':
		return info.permissions(), 0, true
	case 'f':
		return strconv.FormatUint(uint64(info.Bits), 16), 0, true
	case 'F':
		return info.typeName(), 0, true
	case 'n':
		return path, 0, true
	case 'N':
		quoted := shellEscapeQuote(path)
		if info.Bits.Type() == TypeSymlink {
			quoted += " -> " + shellEscapeQuote(info.Target)
		}
		return quoted, 0, true
	case 'U':
		return w.userName(info.UserID), 0, true
	case 'G':
		return w.groupName(info.GroupID), 0, true
	case 'x', 'y', 'z':
		return statTime(info, field).Format("2006-01-02 15:04:05.000000000 -0700"), 0, true
	case 'w':
		return "-", 0, true
	case 't', 'T':
		return strconv.FormatInt(int64(map[byte]int{'t': info.Major, 'T': info.Minor}[field]), 16), 0, true
	case 'D', 'd', 'm':
		return "1", 0, true
	case 'u':
		return "", int64(info.UserID), true
	case 'g':
		return "", int64(info.GroupID), true
	case 's':
		return "", info.Bytes, true
	case 'h':
		return "", int64(info.Links), true
	case 'i':
		return "", int64(info.Ino), true
	case 'b':
		return "", (info.Bytes + 4095) / 4096 * 8, true
	case 'B':
		return "", 512, true
	case 'o':
		return "", 4096, true
	case 'X', 'Y', 'Z':
		return "", statTime(info, field).Unix(), true
	case 'W':
		return "", 0, true
	}
	return "", 0, field == '%'
}

func statTime(info Info, field byte) time.Time {
	switch field {
	case 'x', 'X':
		return info.Accessed
	case 'y', 'Y':
		return info.Modified
	}
	return info.Changed
}

// listing is one run of ls.
type listing struct {
	c    *cmdline
	w    *bufio.Writer
	code int
}

func lsCommand(c *cmdline) int {
	names := c.args
	if len(names) == 0 {
		names = []string{"."}
	}
	return c.buffered(func(w *bufio.Writer) int {
		l := &listing{c: c, w: w}
		var files, dirs []Info
		for _, name := range names {
			follow := c.has("L") || (!c.has("l") && !c.has("d") && !c.has("F"))
			info, err := c.p.view().stat(name, follow)
			if err != nil && follow {
				info, err = c.p.view().stat(name, false)
			}
			if err != nil {
				c.p.Errorf("cannot access %s: %s", gnuQuote(name), strerror(err))
				l.code = 2
				continue
			}
			info.Base = name
			if info.IsDir() && !c.has("d") {
				dirs = append(dirs, info)
			} else {
				files = append(files, info)
			}
		}
		l.sort(files)
		l.sort(dirs)
		l.show(files)
		for i, d := range dirs {
			if len(names) > 1 || c.has("R") {
				if i > 0 || len(files) > 0 {
					_ = w.WriteByte('\n')
				}
				fmt.Fprintf(w, "%s:\n", d.Base)
			}
			l.dir(d.Base)
		}
		return l.code
	})
}

func (l *listing) dir(path string) {
	entries, err := l.c.p.view().readDir(path)
	if err != nil {
		l.c.p.Errorf("cannot open directory %s: %s", gnuQuote(path), strerror(err))
		l.code = max(l.code, 1)
		if l.c.args != nil {
			l.code = 2
		}
		return
	}
	var shown []Info
	if l.c.has("a") {
		for _, dot := range []string{".", ".."} {
			if info, err := l.c.p.Stat(path + "/" + dot); err == nil {
				info.Base = dot
				shown = append(shown, info)
			}
		}
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Base, ".") || l.c.has("a") || l.c.has("A") {
			shown = append(shown, e)
		}
	}
	l.sort(shown)
	if l.c.has("l") || l.c.has("n") {
		blocks := int64(0)
		for _, e := range shown {
			blocks += (e.Bytes + 4095) / 4096 * 4
		}
		fmt.Fprintf(l.w, "total %d\n", blocks)
	}
	l.show(shown)
	if !l.c.has("R") {
		return
	}
	for _, e := range shown {
		if e.IsDir() && e.Base != "." && e.Base != ".." {
			sub := strings.TrimRight(path, "/") + "/" + e.Base
			fmt.Fprintf(l.w, "\n%s:\n", sub)
			l.dir(sub)
		}
	}
}

func (l *listing) sort(list []Info) {
	if l.c.has("U") {
		return
	}
	slices.SortStableFunc(list, func(a, b Info) int {
		switch l.c.lastOf("t", "S", "v") {
		case "t":
			if d := b.Modified.Compare(a.Modified); d != 0 {
				return d
			}
		case "S":
			if a.Bytes != b.Bytes {
				return int(b.Bytes - a.Bytes)
			}
		case "v":
			if d := compareVersions(a.Base, b.Base); d != 0 {
				return d
			}
		}
		return strings.Compare(a.Base, b.Base)
	})
	if l.c.has("r") {
		slices.Reverse(list)
	}
}

func (l *listing) show(list []Info) {
	long := l.c.has("l") || l.c.has("n") || l.c.has("g") || l.c.has("o") || l.c.has("full-time")
	var rows [][]string
	for _, e := range list {
		name := e.Base
		if l.c.has("Q") {
			name = strconv.Quote(name)
		}
		switch {
		case (l.c.has("F") || l.c.has("p")) && e.IsDir():
			name += "/"
		case l.c.has("F") && e.Bits.Type() == TypeSymlink && !long:
			name += "@"
		case l.c.has("F") && e.Bits.IsRegular() && e.Bits&0o111 != 0:
			name += "*"
		}
		if l.c.has("i") {
			name = fmt.Sprintf("%d %s", e.Ino, name)
		}
		if !long {
			fmt.Fprintln(l.w, name)
			continue
		}
		if e.Bits.Type() == TypeSymlink {
			name += " -> " + e.Target
		}
		rows = append(rows, l.longRow(e, name))
	}
	widths := make([]int, 6)
	for _, r := range rows {
		for i := range 6 {
			widths[i] = max(widths[i], len(r[i]))
		}
	}
	for _, r := range rows {
		fmt.Fprintf(l.w, "%s %*s %-*s %-*s %*s %s %s\n", r[0], widths[1], r[1], widths[2], r[2], widths[3], r[3], widths[4], r[4], r[5], r[6])
	}
}

func (l *listing) longRow(e Info, name string) []string {
	user, group := l.c.p.world.userName(e.UserID), l.c.p.world.groupName(e.GroupID)
	if l.c.has("n") {
		user, group = strconv.Itoa(e.UserID), strconv.Itoa(e.GroupID)
	}
	size := strconv.FormatInt(e.Bytes, 10)
	if l.c.has("h") {
		size = humanSize(e.Bytes)
	}
	if t := e.Bits.Type(); t == TypeChar || t == TypeBlock {
		size = fmt.Sprintf("%d, %3d", e.Major, e.Minor)
	}
	when := e.Modified.Format("Jan _2 15:04")
	if l.c.has("full-time") || l.c.last("time-style", "") == "full-iso" {
		when = e.Modified.Format("2006-01-02 15:04:05.000000000 -0700")
	} else if age := l.c.p.world.now().Sub(e.Modified); age > 182*24*time.Hour || age < 0 {
		when = e.Modified.Format("Jan _2  2006")
	}
	return []string{e.permissions(), strconv.Itoa(e.Links), user, group, size, when, name}
}

// humanSize is a size as -h shows it: rounded up, powers of 1024.
func humanSize(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	value := float64(n)
	unit := -1
	for value >= 1024 && unit < 5 {
		value /= 1024
		unit++
	}
	if value < 10 {
		return fmt.Sprintf("%.1f%c", float64(int64(value*10+0.999999))/10, "KMGTPE"[unit])
	}
	return fmt.Sprintf("%d%c", int64(value+0.999999), "KMGTPE"[unit])
}

func duCommand(c *cmdline) int {
	names := c.args
	if len(names) == 0 {
		names = []string{"."}
	}
	depth := 1 << 30
	if c.has("s") {
		depth = 0
	} else if text := c.last("d", ""); text != "" {
		depth, _ = strconv.Atoi(text)
	}
	return c.buffered(func(w *bufio.Writer) int {
		code := 0
		for _, name := range names {
			if _, err := c.du(w, name, depth, true); err != nil {
				c.p.Errorf("cannot access %s: %s", gnuQuote(name), strerror(err))
				code = 1
			}
		}
		return code
	})
}

func (c *cmdline) du(w *bufio.Writer, path string, depth int, top bool) (int64, error) {
	info, err := c.p.Lstat(path)
	if err != nil {
		return 0, err
	}
	total := (info.Bytes + 4095) / 4096 * 4096
	if c.has("b") {
		total = info.Bytes
	}
	if info.IsDir() {
		entries, err := c.p.view().readDir(path)
		if err != nil {
			c.p.Errorf("cannot read directory %s: %s", gnuQuote(path), strerror(err))
		}
		for _, e := range entries {
			n, err := c.du(w, strings.TrimRight(path, "/")+"/"+e.Base, depth-1, false)
			if err == nil {
				total += n
			}
		}
	}
	if depth >= 0 && (info.IsDir() || c.has("a") || top) {
		text := strconv.FormatInt((total+1023)/1024, 10)
		switch {
		case c.has("b"):
			text = strconv.FormatInt(total, 10)
		case c.has("h"):
			text = humanSize(total)
		case c.has("m"):
			text = strconv.FormatInt((total+1<<20-1)>>20, 10)
		}
		fmt.Fprintf(w, "%s\t%s\n", text, path)
	}
	return total, nil
}

// diskSize is how large every disk of the lab is, in KiB.
const diskSize = 960 << 20

func dfCommand(c *cmdline) int {
	names := c.args
	if len(names) == 0 {
		names = []string{"/"}
	}
	return c.buffered(func(w *bufio.Writer) int {
		code := 0
		if c.has("h") {
			fmt.Fprintln(w, "Filesystem      Size  Used Avail Use% Mounted on")
		} else {
			fmt.Fprintln(w, "Filesystem     1K-blocks    Used Available Use% Mounted on")
		}
		for _, name := range names {
			if _, err := c.p.Stat(name); err != nil {
				c.p.Errorf("%s: %s", name, strerror(err))
				code = 1
				continue
			}
			used, avail := int64(diskSize/50), int64(diskSize/50*49)
			path, _ := c.p.view().realpath(name)
			if f, full := c.p.Host().Fault(DiskFull); full && within(path, f.Path) {
				used, avail = diskSize, 0
			}
			if c.has("h") {
				fmt.Fprintf(w, "/dev/nvme0n1p2  %4s %5s %5s %3d%% /\n", humanSize(diskSize<<10), humanSize(used<<10), humanSize(avail<<10), used*100/diskSize)
			} else {
				fmt.Fprintf(w, "/dev/nvme0n1p2 %9d %7d %9d %3d%% /\n", diskSize, used, avail, used*100/diskSize)
			}
		}
		return code
	})
}
