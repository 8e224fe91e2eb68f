package modules

import (
	"fmt"
	"strconv"
	"strings"

	"cvsplay/engine"
)

// A tree is everything below a directory, with the owner and mode it has to have.
type tree struct {
	path       string
	attributes attributes
}

// treeScript goes through a tree twice, once for what has another owner and once for what has another mode. $1 is the directory, $2 owner,
// $3 group, $4 the mode of directories, $5 of files, $6 of executable files ("": not declared). do_owner and do_mode are what find does with them;
// chown comes first, for it takes set-id bits away.
const treeScript = `[ -d "$1" ] || exit 0
d=$1; owner=$2 group=$3 dmode=$4 fmode=$5 xmode=$6
rc=0
if [ -n "$owner" ] && [ -n "$group" ]; then
  find "$d" -mindepth 1 \( ! -user "$owner" -o ! -group "$group" \) %[1]s || rc=1
elif [ -n "$owner" ]; then
  find "$d" -mindepth 1 ! -user "$owner" %[1]s || rc=1
elif [ -n "$group" ]; then
  find "$d" -mindepth 1 ! -group "$group" %[1]s || rc=1
fi
if [ -n "$dmode" ]; then
  find "$d" -mindepth 1 -type d ! -perm "$dmode" %[2]s || rc=1
  find "$d" -mindepth 1 -type f ! -perm -100 ! -perm -010 ! -perm -001 ! -perm "$fmode" %[3]s || rc=1
  find "$d" -mindepth 1 -type f \( -perm -100 -o -perm -010 -o -perm -001 \) ! -perm "$xmode" %[4]s || rc=1
fi
exit "$rc"
`

func (t tree) args() []string {
	start := t.path
	if t.attributes.Follow {
		start += "/."
	}
	args := []string{start, t.attributes.Owner, t.attributes.Group, "", "", ""}
	if t.attributes.Mode != "" {
		mode, err := strconv.ParseUint(t.attributes.Mode, 8, 16)
		if err == nil {
			args[3], args[4], args[5] = octal(mode), octal(mode&0o666), octal(mode&0o777)
		}
	}
	return args
}

// octal has five digits, so that chmod takes a directory's set-group-id bit away too.
func octal(mode uint64) string { return fmt.Sprintf("%05o", mode) }

// ask lists what is not as it has to be; a few of them are enough.
func (t tree) ask() engine.Shell {
	return engine.Shell{
		Text:    fmt.Sprintf(treeScript, "-print", "-print", "-print", "-print"),
		Args:    t.args(),
		AnyCode: true,
		Keep:    4096,
	}
}

func (t tree) act() engine.Shell {
	chmod := func(mode string) string { return `-exec chmod -- "$` + mode + `" {} +` }
	return engine.Shell{
		Text: fmt.Sprintf(treeScript, `-exec chown -h -- "$owner${group:+:$group}" {} +`, chmod("dmode"), chmod("fmode"), chmod("xmode")),
		Args: t.args(),
	}
}

// change is what has to be done below the directory: at most one.
func (t tree) change(ans engine.Answer) ([]engine.Change, error) {
	if ans.Code != 0 {
		return nil, fmt.Errorf("cannot look below %s: %s", t.path, words(ans))
	}
	if ans.Stdout.Size == 0 && len(ans.Stdout.Bytes) == 0 {
		return nil, nil
	}
	first, _, more := strings.Cut(strings.TrimSuffix(ans.Stdout.String(), "\n"), "\n")
	if more {
		first += " and others"
	}
	want := t.attributes.spec()
	if t.attributes.Mode != "" {
		want = t.attributes.words(normMode(t.attributes.Mode))
	}
	return []engine.Change{{What: "set below", Have: first, Want: want, Do: []engine.Action{t.act()}, Again: true}}, nil
}
