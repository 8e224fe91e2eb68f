package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/shell"
)

// writeScript puts a content in place atomically. Arguments: path, mode, owner, group, check, "backup" or "", "follow" or "", an uploaded file
// or "" (then standard input is the content), "here" where that file already stands in the target's folder.
// Exit codes 80…89 are ours, each with its words on standard error.
const writeScript = `p=$1 mode=$2 owner=$3 group=$4 check=$5 backup=$6 follow=$7 src=$8 here=$9
say() { code=$1; shift; echo "$*" >&2; exit "$code"; }
t=
trap 'if [ -n "$t" ]; then rm -f -- "$t"; fi; if [ -n "$src" ]; then rm -f -- "$src"; fi' 0
trap 'exit 129' 1 2 15
if [ -L "$p" ]; then
  [ -n "$follow" ] || say 80 "is a symbolic link; follow = true writes through it"
  r=$(readlink -f -- "$p"; echo x) || say 81 "is a symbolic link that leads nowhere"
  p=${r%?x}
fi
if [ -d "$p" ]; then say 82 "is a directory"; fi
d=${p%/*}; [ -n "$d" ] || d=/
[ -d "$d" ] || say 83 "no such directory: $d"
umask 077
if [ -n "$here" ]; then t=$src; src=
else
  t=$(mktemp -- "$d/.cvsplay.XXXXXXXX") || say 84 "cannot make a file in $d"
  if [ -n "$src" ]; then cat -- "$src" >"$t" || say 85 "cannot write"
  else cat >"$t" || say 85 "cannot write"; fi
fi
if [ -n "$owner" ] || [ -n "$group" ]; then chown -- "$owner${group:+:$group}" "$t" || say 86 "cannot give it to $owner${group:+:$group}"; fi
if [ -n "$mode" ]; then chmod -- "$mode" "$t" || say 86 "cannot set its mode"; fi
if [ -n "$check" ]; then /bin/sh -c "$check" check "$t" </dev/null >&2 || say 87 "refused by its validate command"; fi
sync -- "$t" 2>/dev/null || sync
if [ -n "$backup" ] && [ -e "$p" ]; then cp -p -- "$p" "$p.$(date +%Y%m%dT%H%M%S)~" || say 88 "cannot keep a backup"; fi
mv -f -T -- "$t" "$p" || say 89 "cannot take its place"
t=
sync -- "$d" 2>/dev/null || sync
`

// inlineLimit is the largest content that travels inside the script; a larger one goes over sftp.
const inlineLimit = 256 << 10

// largeContent is what memory is not for: neither the controller's, nor that of a host whose /tmp is in it.
const largeContent = 64 << 20

// writeFrame is the script of a WriteFile. Where the content has to be uploaded first it does so; failed is what became of that where it went
// wrong.
func (n *node) writeFrame(ctx context.Context, s setting, w WriteFile) (f frame, failed *Answer) {
	if w.Content.Size > largeContent && !s.uploads() {
		return f, &Answer{State: Problem, Why: fmt.Sprintf("%s: %d bytes are too many for the account %s, which cannot read what the login account uploads: log in as %s, or become root",
			w.Path, w.Content.Size, s.account, s.account)}
	}
	if w.Content.Size <= inlineLimit || !s.uploads() {
		content, err := readBlob(w.Content)
		if err != nil {
			return f, &Answer{State: Problem, Why: err.Error()}
		}
		return s.writeScript(w, Shell{Stdin: content}, "", ""), nil
	}
	up := "/tmp/.cvsplay." + shell.Nonce()
	if w.Content.Size > largeContent {
		up = "/var" + up
	}
	here := ""
	if s.place == nil && s.account == "" && !w.Follow {
		up, here = path.Join(path.Dir(w.Path), ".cvsplay."+shell.Nonce()), "here"
	}
	if err := n.upload(ctx, up, w.Content); err != nil {
		if n.unreachable() || ctx.Err() != nil {
			return f, &Answer{State: NotStarted, Why: err.Error()}
		}
		return f, &Answer{State: Problem, Why: w.Path + ": " + writeCause(err.Error())}
	}
	if s.place != nil {
		return s.writeInside(w, up), nil
	}
	return s.writeScript(w, Shell{}, up, here), nil
}

// uploads tells whether a file uploaded by the login user can be read where the step runs: by itself, by root, or through the container's
// runtime.
func (s setting) uploads() bool {
	return s.account == "" || s.account == "root" || s.place != nil
}

// readBlob gives a content to read only: hosts that get the same share it.
func readBlob(b Blob) ([]byte, error) {
	if b.Source == "" {
		return b.Text, nil
	}
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (n *node) upload(ctx context.Context, to string, b Blob) error {
	conn, err := n.connect(ctx)
	if err != nil {
		return err
	}
	r, err := b.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return conn.Upload(ctx, to, r)
}

func writeArgs(w WriteFile, src, here string) []string {
	mark := func(on bool, word string) string {
		if on {
			return word
		}
		return ""
	}
	check := strings.ReplaceAll(w.Check, "%s", `"$1"`)
	return []string{w.Path, w.Mode, w.Owner, w.Group, check, mark(w.Backup, "backup"), mark(w.Follow, "follow"), src, here}
}

func (s setting) writeScript(w WriteFile, sh Shell, src, here string) frame {
	sh.Text, sh.Args, sh.AnyCode = writeScript, writeArgs(w, src, here), true
	return s.shellFrame(sh, actionLimit, nil).reading(w)
}

// writeInside feeds an uploaded file to the script inside a container.
func (s setting) writeInside(w WriteFile, up string) frame {
	user := ""
	if s.account != "" {
		user = "-u " + Quote(s.account) + " "
	}
	words := append([]string{s.place.name, "/bin/sh", "-c", writeScript, "write"}, writeArgs(w, "", "")...)
	text := fmt.Sprintf("%s\nctr exec -i %s%s <%s; c=$?; rm -f -- %s; exit $c\n",
		RuntimePrelude(s.place.runtime), user, QuoteAll(words...), Quote(up), Quote(up))
	return setting{account: s.place.keeper}.shellFrame(Shell{Text: text, AnyCode: true}, actionLimit, nil).reading(w)
}

// reading is the frame with the exit codes of writeScript read.
func (f frame) reading(w WriteFile) frame {
	read := f.read
	f.read = func(e remote.Exit) Answer { return writeAnswer(w, read(e)) }
	return f
}

func writeAnswer(w WriteFile, a Answer) Answer {
	if a.State == Given && a.Code != 0 {
		words := string(bytes.TrimSpace(a.Stderr.Bytes))
		a.State, a.Why = Problem, w.Path+": "+writeCause(words)
	}
	return a
}

// writeCause says the usual reasons of a host in few words, with the host's own behind them.
func writeCause(words string) string {
	for _, known := range []struct{ sign, cause string }{
		{"No space left on device", "disk full"},
		{"Disk quota exceeded", "disk quota exceeded"},
		{"Read-only file system", "read-only file system"},
		{"no such directory", "no such directory"},
		{"Permission denied", "permission denied"},
		{"permission denied", "permission denied"},
	} {
		if strings.Contains(words, known.sign) {
			return known.cause + " (" + strings.ReplaceAll(words, "\n", "; ") + ")"
		}
	}
	return strings.ReplaceAll(words, "\n", "; ")
}
