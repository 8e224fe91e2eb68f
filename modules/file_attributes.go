package modules

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

// attributes are mode and ownership as declared; "" is as it is.
type attributes struct {
	Mode, Owner, Group string
	Follow             bool
}

// attributeArgs are the arguments that file and line share.
var attributeArgs = []engine.Arg{
	{Name: "mode", Type: cty.String, As: engine.AsMode, Doc: "Octal mode such as `\"0644\"`. Unset: as it is; a new file gets 0644 (0600 with sensitive content), a new directory 0755."},
	{Name: "owner", Type: cty.String, Valid: validAccount, Doc: "Owner, name or id. Unset: as it is."},
	{Name: "group", Type: cty.String, Valid: validAccount, Doc: "Group, name or id. Unset: as it is."},
	{Name: "backup", Type: cty.Bool, Default: false, Doc: "Keep the old file beside it, with a time stamp."},
	{Name: "validate", Type: cty.String, Doc: "Shell command that must accept the new file, its path for `%s`, before it takes its place."},
	{Name: "follow", Type: cty.Bool, Default: false, Doc: "Follow a symbolic link at the path, instead of refusing it."},
}

// validAccount finds what chown would take for something else than a name or an id.
func validAccount(v cty.Value) error {
	if s := v.AsString(); s == "" || strings.ContainsAny(s, ": \t\n") || strings.HasPrefix(s, "-") {
		return fmt.Errorf("not the name or id of an account")
	}
	return nil
}

// checkValidate wants the place of the new file in the command.
func checkValidate(in engine.Inputs) []engine.Complaint {
	if in.Has("validate") && in.Known("validate") && !strings.Contains(in.String("validate"), "%s") {
		if v, _ := in["validate"].Unmark(); !strings.Contains(v.AsString(), "%s") {
			return []engine.Complaint{{Arg: "validate", Say: "the command does not say where the new file goes: write %s for its path"}}
		}
	}
	return nil
}

// normMode writes an octal mode with four digits, as the answers do.
func normMode(mode string) string {
	if mode == "" {
		return ""
	}
	n, err := strconv.ParseUint(mode, 8, 16)
	if err != nil || len(mode) == 4 {
		return mode
	}
	return fmt.Sprintf("%04o", n)
}

func orMode(mode, otherwise string) string {
	if mode == "" {
		return otherwise
	}
	return normMode(mode)
}

// changes are what has to be done to something that is there, in order: chown takes set-id bits away, so the mode comes last.
func (a attributes) changes(p string, now engine.PathInfo) []engine.Change {
	var out []engine.Change
	wantMode, chowns := normMode(a.Mode), a.chowns(now)
	if chowns {
		out = append(out, engine.Change{
			What: "set owner", Have: now.Owner + ":" + now.Group, Want: a.spec(),
			Do: []engine.Action{chown(p, a, now.Kind)}, Again: true,
		})
		if wantMode == "" && len(now.Mode) == 4 && now.Mode[0] != '0' && now.Kind != engine.Symlink {
			out[0].Do = append(out[0].Do, chmod(p, now.Mode))
		}
	}
	if wantMode != "" && now.Kind != engine.Symlink && (wantMode != now.Mode || (chowns && wantMode[0] != '0')) {
		out = append(out, engine.Change{
			What: "set mode", Have: now.Mode, Want: wantMode,
			Do: []engine.Action{chmod(p, wantMode)}, Again: true,
		})
	}
	return out
}

func (a attributes) chowns(now engine.PathInfo) bool {
	return (a.Owner != "" && a.Owner != now.Owner && a.Owner != now.UID) || (a.Group != "" && a.Group != now.Group && a.Group != now.GID)
}

// untold: in check mode a thing that an earlier step would make has no owner yet, unless that step declares one.
func (a attributes) untold(now engine.PathInfo) bool {
	if now.Kind == engine.Absent {
		return false
	}
	return (a.Owner != "" && now.Owner == "" && now.UID == "") || (a.Group != "" && now.Group == "" && now.GID == "")
}

// after is what is there once the attributes are as declared.
func (a attributes) after(now engine.PathInfo) engine.PathInfo {
	if a.Mode != "" && now.Kind != engine.Symlink {
		now.Mode = normMode(a.Mode)
	}
	if a.Owner != "" && a.Owner != now.Owner && a.Owner != now.UID {
		now.Owner, now.UID = a.Owner, a.Owner
	}
	if a.Group != "" && a.Group != now.Group && a.Group != now.GID {
		now.Group, now.GID = a.Group, a.Group
	}
	return now
}

// spec is the first argument of chown.
func (a attributes) spec() string {
	if a.Group == "" {
		return a.Owner
	}
	return a.Owner + ":" + a.Group
}

// words describe a mode, and the ownership as far as it is declared.
func (a attributes) words(mode string) string {
	if spec := a.spec(); spec != "" {
		return "mode " + mode + ", owner " + spec
	}
	return "mode " + mode
}

func chown(p string, a attributes, kind engine.PathKind) engine.Shell {
	if kind == engine.Symlink {
		return engine.Shell{Text: `chown -h -- "$1" "$2"`, Args: []string{a.spec(), p}}
	}
	return engine.Shell{Text: `chown -- "$1" "$2"`, Args: []string{a.spec(), p}}
}

// chmod gives the mode a fifth digit: with fewer, GNU chmod leaves the set-group-id bit of a directory as it is.
func chmod(p, mode string) engine.Shell {
	return engine.Shell{Text: `chmod -- "$1" "$2"`, Args: []string{"0" + mode, p}}
}

// makeDirectory makes a directory and the parents it lacks. It never has a wider mode than it shall have.
func makeDirectory(p, mode string, a attributes) engine.Shell {
	return engine.Shell{Args: []string{p, "0" + mode, a.spec()}, Text: `d=${1%/*}
umask 022
[ -z "$d" ] || mkdir -p -- "$d" || exit
mkdir -m 0700 -- "$1" || exit
[ -z "$3" ] || chown -- "$3" "$1" || exit
chmod -- "$2" "$1"
`}
}

// makeLink makes a symbolic link, or puts another one in its place in one step where the host's mv can do that.
func makeLink(p, target string, a attributes) engine.Shell {
	return engine.Shell{Args: []string{target, p, a.spec()}, Text: `t=$2.cvsplay.$$
ln -s -- "$1" "$t" || exit
if [ -n "$3" ] && ! chown -h -- "$3" "$t"; then rm -f -- "$t"; exit 1; fi
mv -f -T -- "$t" "$2" || { rm -f -- "$t"; exit 1; }
`}
}

// mountsBelow asks which mount points are in a tree. The kernel writes odd characters of a path as backslash and three digits.
func mountsBelow(p string) engine.Shell {
	escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(p)
	return engine.Shell{Args: []string{escaped}, Text: `[ -r /proc/self/mounts ] || exit 0
while read -r _ at _; do
  case $at in "$1"|"$1"/*) echo "$at" ;; esac
done </proc/self/mounts
`}
}
