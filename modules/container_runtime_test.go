package modules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine"
	"cvsplay/engine/lab"
)

// toyRuntime is a third runtime, with a probe and a login of its own: all that has to be said of one is said here.
const toyRuntime = "boxer"

func init() {
	engine.AddRuntime(engine.Runtime{
		Name: toyRuntime, Probe: "hello",
		PullAs: `
		ctr sign-in --at "$2" --as "$3" --keys "$dir/keys" && ctr pull -q "$1" </dev/null`,
	})
}

// boxerCommand is the toy's command: docker under another name, which has no "version" and no "login".
const boxerCommand = `cat >/usr/local/bin/boxer <<'X'
#!/bin/sh
case $1 in
hello) exit 0 ;;
version | login | --config) echo "boxer: no such command: $1" >&2; exit 2 ;;
sign-in) cat >"$7" && echo "$*: $(cat "$7")" >>/var/log/boxer ;;
*) exec docker "$@" ;;
esac
X
chmod 755 /usr/local/bin/boxer
`

func TestThirdRuntimeIsOneRowOfTheTable(t *testing.T) {
	f := newLabFleet(t, lab.HostSpec{Name: "n1"}, lab.HostSpec{Name: "n2"})
	for _, h := range []string{"n1", "n2"} {
		if a := f.over(h, engine.Shell{Text: boxerCommand}); a.Code != 0 {
			t.Fatal(a.Stderr.String())
		}
	}
	ends, transcript := f.ensure(f.everywhere(func(a *containerArgs) {
		a.Runtime, a.Profile = toyRuntime, profileNone
		a.Registry = &containerRegistry{Server: "docker.io", Username: "ci", Password: "s3cret"}
	}))
	expect(t, "launched", fmt.Sprint(ends), "map[n1:done n2:done]")
	for _, what := range []string{changePull, changeLaunch, changeSetup, changePublish} {
		if !strings.Contains(transcript, "n1: act: "+what) {
			t.Errorf("no %q:\n%s", what, transcript)
		}
	}
	said := f.over("n1", engine.Shell{Text: `sed 's,/tmp/[^ ]*/keys,DIR/keys,' /var/log/boxer; ls /tmp; docker ps --format '{{.Names}}'`}).Stdout.String()
	expect(t, "its own login, removed afterwards", said, "sign-in --at docker.io --as ci --keys DIR/keys: s3cret\nbox\n")
	before := f.snapshots()
	ends, transcript = f.ensure(f.everywhere(func(a *containerArgs) { a.Runtime, a.Profile = toyRuntime, profileNone }))
	expect(t, "second run", fmt.Sprint(ends)+transcript, "map[n1:done n2:done]")
	expect(t, "state", fmt.Sprint(f.snapshots() == before), "true")
	expect(t, "removed", f.remove("n1", containerAbsentArgs{Name: "box", Runtime: toyRuntime, Run: f.run}), "done")
}

// The values of the argument, and what is documented of it, come from the table.
func TestRuntimeArgumentIsTheTable(t *testing.T) {
	for _, m := range []engine.Module{containerEnsureSchema, containerAbsentSchema} {
		arg, ok := m.Arg("runtime")
		want := slices.DeleteFunc(engine.RuntimeNames(), func(name string) bool { return name == toyRuntime }) // it came after the schema
		if !ok || !slices.Equal(arg.Values, want) || arg.Doc != engine.RuntimeDoc() {
			t.Errorf("%s: %v %q, want %v %q", m.Name, arg.Values, arg.Doc, want, engine.RuntimeDoc())
		}
	}
	expect(t, "documentation", engine.RuntimeDoc(), "Container runtime; `auto` is docker where it is installed, else podman.")
	if prelude := engine.RuntimePrelude(engine.AutoRuntime); strings.Contains(prelude, toyRuntime) {
		t.Error("a runtime that is only used by its name is looked for")
	}
}
