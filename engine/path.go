package engine

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"cvsplay/engine/remote"
)

// pathScript looks at all paths given as arguments: one stat, one hash, shell builtins for the rest. Records, one a line:
//
//	A I        nothing there
//	D I        cannot be told: a folder above it may not be searched
//	H I …      which arguments the S lines are for
//	S …        mode|uid|gid|owner|group|size|kind
//	L I N      a link; its target's N bytes and a newline follow
//	C I BASE64 the content
//	X I …      which arguments the sums that follow are for
//
// The first arguments are -L where links are followed, the indices to hash, and the indices and limits of contents wanted. So the text is the same whatever
// is asked.
const pathScript = `follow=$1; hash=$2; read=$3; shift 3
i=0; n=$#; have=
for p do
  i=$((i+1))
  if [ -L "$p" ] || [ -e "$p" ]; then have="$have $i"; set -- "$@" "$p"; continue; fi
  d=$p
  while d=${d%/*}; [ -n "$d" ] && ! [ -e "$d" ]; do :; done
  if [ -n "$d" ] && [ -d "$d" ] && ! [ -x "$d" ]; then echo "D $i"; else echo "A $i"; fi
done
shift "$n"
[ $# -gt 0 ] || exit 0
echo "H$have"
stat $follow -c 'S %a|%u|%g|%U|%G|%s|%F' -- "$@" || exit 3
for i in $have; do
  p=$1; shift; set -- "$@" "$p"
  if [ -z "$follow" ] && [ -L "$p" ]; then
    t=$(readlink -- "$p"; echo x); t=${t%?x}
    printf 'L %s %s\n%s\n' "$i" "${#t}" "$t"
    continue
  fi
  [ -f "$p" ] || continue
  case " $read " in *" $i:"*)
    m=${read##*" $i:"}; m=${m%% *}
    if [ "$(wc -c <"$p")" -le "$m" ]; then printf 'C %s ' "$i"; base64 <"$p" | tr -d '\n'; echo; fi ;;
  esac
done
sums=
for i in $have; do
  p=$1; shift
  case " $hash " in *" $i "*) if [ -f "$p" ] && { [ -n "$follow" ] || ! [ -L "$p" ]; }; then sums="$sums $i"; set -- "$@" "$p"; fi ;; esac
done
[ -n "$sums" ] || exit 0
echo "X$sums"
sha256sum -- "$@" || exit 4
`

// pathFrame asks for several paths in one script. All have the same Follow. The answers come from readPaths.
func (s setting) pathFrame(paths []Path) frame {
	var hash, read []byte
	args := make([]string, 3, 3+len(paths))
	keep := int64(defaultKeep)
	for i, p := range paths {
		args = append(args, p.Path)
		if p.Hash {
			hash = append(strconv.AppendInt(hash, int64(i+1), 10), ' ')
		}
		if p.Read > 0 {
			read = append(strconv.AppendInt(append(read, ' '), int64(i+1), 10), ':')
			read = strconv.AppendInt(read, p.Read, 10)
		}
		keep += p.Read*4/3 + 4096
	}
	if paths[0].Follow {
		args[0] = "-L"
	}
	args[1], args[2] = string(hash), string(read)
	return s.shellFrame(Shell{Text: pathScript, Args: args, Keep: keep}, questionLimit, func(remote.Stream, []byte) {})
}

// readPaths reads what pathScript printed into one answer for each path.
func readPaths(paths []Path, a Answer, out []*Answer) {
	for _, o := range out {
		*o = Answer{State: a.State, Why: a.Why, Seconds: a.Seconds}
	}
	if a.State != Given {
		return
	}
	r := pathReader{lines: a.Stdout.String(), out: out}
	if err := r.readAll(); err != nil || a.Code != 0 {
		why := firstLine(a.Stderr.String())
		if why == "" && err != nil {
			why = err.Error()
		}
		for i, o := range out {
			if o.Path.Kind == PathUnknown || a.Code != 0 {
				*o = Answer{State: Problem, Why: "cannot look at " + paths[i].Path + ": " + why}
			}
		}
	}
	for i, o := range out {
		if o.State == Given && o.Path.Kind == PathUnknown {
			*o = Answer{State: Problem, Why: "cannot look at " + paths[i].Path + ": permission denied"}
		}
	}
}

// A pathReader parses the records of pathScript.
type pathReader struct {
	lines string
	out   []*Answer
	have  []int // indices that the next S lines are for
	sums  []int // indices that the next sums are for
}

func (r *pathReader) next() (string, bool) {
	if r.lines == "" {
		return "", false
	}
	line, rest, _ := strings.Cut(r.lines, "\n")
	r.lines = rest
	return line, true
}

func (r *pathReader) readAll() error {
	for {
		line, ok := r.next()
		if !ok {
			return nil
		}
		if err := r.record(line); err != nil {
			return err
		}
	}
}

func (r *pathReader) record(line string) error {
	if r.sums != nil {
		return r.sum(line)
	}
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "A", "D":
		i, err := r.index(rest)
		if err != nil {
			return err
		}
		if word == "A" {
			r.out[i].Path.Kind = Absent
		}
		return nil
	case "H", "X":
		list, err := r.indices(rest)
		if word == "H" {
			r.have = list
		} else {
			r.sums = list
		}
		return err
	case "S":
		return r.stat(rest)
	case "L":
		return r.link(rest)
	case "C":
		return r.content(rest)
	}
	return fmt.Errorf("unexpected answer %q", line)
}

func (r *pathReader) index(word string) (int, error) {
	i, err := strconv.Atoi(word)
	if err != nil || i < 1 || i > len(r.out) {
		return 0, fmt.Errorf("unexpected answer about path %q", word)
	}
	return i - 1, nil
}

func (r *pathReader) indices(words string) ([]int, error) {
	list := make([]int, 0, len(r.out))
	for w := range strings.FieldsSeq(words) {
		i, err := r.index(w)
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, nil
}

func (r *pathReader) stat(rest string) error {
	var f [7]string
	n := 0
	for field := range strings.SplitSeq(rest, "|") {
		f[min(n, len(f)-1)] = field
		n++
	}
	if n != len(f) || len(r.have) == 0 {
		return fmt.Errorf("unexpected answer %q", rest)
	}
	i := r.have[0]
	r.have = r.have[1:]
	size, err := strconv.ParseInt(f[5], 10, 64)
	if err != nil {
		return err
	}
	info := &r.out[i].Path
	info.Mode, info.UID, info.GID, info.Size = fourDigits(f[0]), f[1], f[2], size
	info.Owner, info.Group = nameOr(f[3], f[1]), nameOr(f[4], f[2])
	switch f[6] {
	case "regular file", "regular empty file":
		info.Kind = Regular
	case "directory":
		info.Kind = Directory
	case "symbolic link":
		info.Kind = Symlink
	default:
		info.Kind = OtherKind
	}
	return nil
}

func (r *pathReader) link(rest string) error {
	word, length, _ := strings.Cut(rest, " ")
	i, err := r.index(word)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n+1 > len(r.lines) {
		return fmt.Errorf("unexpected answer about a link: %q", rest)
	}
	r.out[i].Path.Target = r.lines[:n]
	r.lines = r.lines[n+1:]
	return nil
}

func (r *pathReader) content(rest string) error {
	word, encoded, _ := strings.Cut(rest, " ")
	i, err := r.index(word)
	if err != nil {
		return err
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return err
	}
	r.out[i].Path.Content, r.out[i].Path.Read = text, true
	return nil
}

// sum reads one line of sha256sum; a leading backslash only tells that the name is escaped.
func (r *pathReader) sum(line string) error {
	if len(r.sums) == 0 {
		return fmt.Errorf("unexpected answer %q", line)
	}
	hash := strings.TrimPrefix(line, `\`)
	if len(hash) < 64 {
		return fmt.Errorf("unexpected checksum %q", line)
	}
	r.out[r.sums[0]].Path.SHA256 = hash[:64]
	r.sums = r.sums[1:]
	return nil
}

// fourDigits writes a mode the way people do: 644 is 0644.
func fourDigits(mode string) string {
	for len(mode) < 4 {
		mode = "0" + mode
	}
	return mode
}

func nameOr(name, id string) string {
	if name == "" || name == "UNKNOWN" {
		return id
	}
	return name
}
