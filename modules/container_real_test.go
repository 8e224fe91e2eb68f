package modules

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cvsplay/engine"
)

// A persistent container, from cold start to removal, on a real engine: launched by digest in step, kept, stopped, drifted, recreated.
func TestContainerOnRealEngine(t *testing.T) { onEachEngine(t, testContainerOnRealEngine) }

func testContainerOnRealEngine(t *testing.T, e *realEngine) {
	yes := true
	declared := func(edit func(*containerArgs)) map[string]containerArgs {
		out := map[string]containerArgs{}
		for _, h := range []string{"a", "b"} {
			out[h] = e.args(h, func(a *containerArgs) {
				a.Lifetime, a.Image = persistent, e.repo()+":1@"+e.digest
				a.Env, a.Labels = map[string]string{"GREETING": "it's $HOME \"quoted\"\nand more"}, map[string]string{"team": "a b"}
				a.Volumes, a.Devices = []string{"/tmp:/host-tmp:ro"}, []string{"/dev/nul?", "/dev/absent-one"}
				a.CapAdd, a.Ulimit, a.ShmSize, a.GroupAdd = []string{"SYS_PTRACE"}, e.limits(), "64m", []string{"video"}
				a.SecurityOpt, a.Init, a.Network, a.IPC, a.Restart = []string{"seccomp=unconfined"}, &yes, "none", "private", "unless-stopped"
				a.Workdir, a.Hostname = "/tmp", "inside"
				a.SetupScript = "echo provisioned >/tmp/mark\nid -u >>/tmp/mark\n"
				edit(a)
			})
		}
		return out
	}
	same := func(*containerArgs) {}

	ends, transcript := e.ensure(declared(same))
	expect(t, "cold start", fmt.Sprint(ends), "map[a:done b:done]")
	expect(t, "rounds", transcript, strings.Join([]string{
		"a: act: pull image, (launch container), (run setup_script), (name container)",
		"b: act: pull image, (launch container), (run setup_script), (name container)",
		"a: act: launch container, (run setup_script), (name container)",
		"b: act: launch container, (run setup_script), (name container)",
		"a: act: run setup_script, (name container)", "b: act: run setup_script, (name container)",
		"a: act: name container", "b: act: name container", ""}, "\n"))
	expect(t, "provisioned", e.exec("a", "cat", "/tmp/mark"), "provisioned\n0")
	expect(t, "environment", e.exec("a", "sh", "-c", `echo "$GREETING"`), "it's $HOME \"quoted\"\nand more")
	expect(t, "tag", e.ctr("image", "inspect", "--format", "{{index .RepoTags 0}}", e.repo()+":1"), e.repo()+":1")
	before := e.ctr("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", e.prefix+"-a")

	ends, transcript = e.ensure(declared(same))
	expect(t, "second run", fmt.Sprint(ends)+transcript, "map[a:done b:done]")
	expect(t, "same container", e.ctr("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", e.prefix+"-a"), before)

	e.ctr("stop", "-t", "0", e.prefix+"-a")
	e.ctr("pause", e.prefix+"-b")
	ends, transcript = e.ensure(declared(same))
	expect(t, "stopped and paused", fmt.Sprint(ends)+"\n"+transcript, "map[a:done b:done]\na: act: start container\nb: act: unpause container\n")
	expect(t, "file system kept", e.exec("a", "cat", "/tmp/mark"), "provisioned\n0")

	// Without the fast path every field is compared, and all are as declared.
	for h, a := range declared(same) {
		facts, err := readContainerFacts(e.here(a.Ask()[0]))
		if err != nil {
			t.Fatal(err)
		}
		box := facts.container(a.Name)
		if box == nil {
			t.Fatalf("%s has no container", h)
		}
		delete(box.Config.Labels, labelSpec)
		if d := a.spec(facts).drift(*box, facts); len(d) > 0 {
			t.Errorf("%s: %v", h, d)
		}
	}

	changed := func(a *containerArgs) { a.ShmSize, a.Env = "128m", map[string]string{"GREETING": "hello"} }
	ends, _ = e.ensure(declared(changed))
	if !strings.Contains(ends["a"], "done [warn: ") || !strings.Contains(ends["a"], "shm_size is 67108864, declared 134217728") || !strings.Contains(ends["a"], "env.GREETING is it's $HOME") {
		t.Errorf("drift: %s", ends["a"])
	}
	ends, _ = e.ensure(declared(func(a *containerArgs) { changed(a); a.OnDrift = driftRecreate }))
	expect(t, "recreated", fmt.Sprint(ends), "map[a:done b:done]")
	expect(t, "new environment", e.exec("b", "sh", "-c", `echo "$GREETING"`), "hello")

	// A foreign container is not removed; one of ours is, and only once.
	e.ctr("run", "-d", "--name", e.prefix+"-foreign", e.repo()+":1", "sleep", "infinity")
	got := e.remove("a", containerAbsentArgs{Name: e.prefix + "-foreign", Runtime: e.runtime})
	if !strings.HasPrefix(got, "refused: container "+e.prefix+"-foreign") {
		t.Error(got)
	}
	expect(t, "of another run", e.remove("a", containerAbsentArgs{Name: e.prefix + "-a", Run: "run-2", Runtime: e.runtime}), "done")
	expect(t, "absent", e.remove("a", containerAbsentArgs{Name: e.prefix + "-a", Run: e.run, Runtime: e.runtime}), "done")
	expect(t, "adopted", e.remove("a", containerAbsentArgs{Name: e.prefix + "-foreign", Adopt: true, Runtime: e.runtime}), "done")
	expect(t, "left", e.left(), "b")
}

func TestContainerFailsOnRealEngine(t *testing.T) { onEachEngine(t, testContainerFailsOnRealEngine) }

func testContainerFailsOnRealEngine(t *testing.T, e *realEngine) {
	t.Run("setup fails in a pipe and rolls back", func(t *testing.T) {
		both := map[string]containerArgs{
			"a": e.args("a", func(a *containerArgs) { a.Lifetime, a.SetupScript = persistent, "true\n" }),
			"b": e.args("b", func(a *containerArgs) {
				a.Lifetime, a.SetupScript = persistent, "echo begun\ncat\nfalse | true\necho 'never printed'\n"
			}),
		}
		ends, _ := e.ensure(both)
		expect(t, "the failing host", ends["b"], "failed: run setup_script: exit code 1\n    begun")
		if !strings.HasPrefix(ends["a"], "refused: container ") || !strings.Contains(ends["a"], "failed: b (run setup_script: exit code 1)") {
			t.Error(ends["a"])
		}
		expect(t, "left", e.left(), "")
	})
	t.Run("exits at once", func(t *testing.T) {
		// It is looked at when it is over.
		ask := e.ask
		defer func() { e.ask = ask }()
		e.ask = func(host string, q engine.Question) engine.Answer {
			a := ask(host, q)
			if strings.Contains(q.(engine.Shell).Text, "ctr run ") {
				e.sh("while [ \"$(" + e.runtime + " inspect --format '{{.State.Running}}' " + e.prefix + "-" + host + ")\" = true ]; do sleep 0.1; done")
			}
			return a
		}
		ends, _ := e.ensure(map[string]containerArgs{"a": e.args("a", func(a *containerArgs) { a.Command = []string{"sh", "-c", "echo last words; exit 5"} })})
		expect(t, "end", ends["a"], "failed: the container is exited, exit code 5, right after it was started\n    last words")
		expect(t, "left", e.left(), "")
	})
	t.Run("cannot start", func(t *testing.T) {
		ends, _ := e.ensure(map[string]containerArgs{"a": e.args("a", func(a *containerArgs) { a.Command = []string{"no-such-program"} })})
		if !strings.HasPrefix(ends["a"], "failed: launch container: exit code 127\n") || !strings.Contains(ends["a"], "no-such-program") {
			t.Error(ends["a"])
		}
		expect(t, "left", e.left(), "")
	})
	t.Run("image unknown to the registry", func(t *testing.T) {
		ends, _ := e.ensure(map[string]containerArgs{"a": e.args("a", func(a *containerArgs) { a.Image = e.repo() + ":gone" })})
		if !strings.HasPrefix(ends["a"], "failed: pull image: exit code 1") || !strings.Contains(ends["a"], "nknown") {
			t.Error(ends["a"])
		}
	})
	t.Run("per_run removes the stale one", func(t *testing.T) {
		one := map[string]containerArgs{"a": e.args("a", func(*containerArgs) {})}
		ends, _ := e.ensure(one)
		expect(t, "fresh", ends["a"], "done")
		e.run = e.prefix + "-run-2"
		ends, transcript := e.ensure(one)
		expect(t, "stale", ends["a"]+"\n"+transcript, "done\na: act: remove stale container, launch container\n")
	})
}

// The password travels on standard input into a folder that is gone afterwards, and nowhere else.
func TestContainerLoginOnFakeRuntime(t *testing.T) {
	bin := fakeRuntime(t, `case "$*" in
"--config "*" login -u ci --password-stdin reg.example.com") echo "login: $(cat) in $(ls -d "$2" >/dev/null && cat "$2/config.json")"; echo "$2" >"$LOG" ;;
"--config "*" pull -q reg.example.com/app@sha256:ab") echo "pull" ;;
"tag reg.example.com/app@sha256:ab reg.example.com/app:1") echo "tag" ;;
*) echo "unexpected: $*"; exit 2 ;;
esac >&2`)
	a := containerArgs{Image: "reg.example.com/app:1", Registry: &containerRegistry{Server: "reg.example.com", Username: "ci", Password: "s3cret"}}
	sh := a.pullImage(reference{Domain: "reg.example.com", Path: "app", Tag: "1", Digest: "sha256:ab"})
	if strings.Contains(sh.Text+strings.Join(sh.Args, " "), "s3cret") {
		t.Error("the password is in the text or the arguments")
	}
	logFile := t.TempDir() + "/log"
	cmd := exec.Command("/bin/sh", append([]string{"-c", sh.Text, "sh"}, sh.Args...)...)
	cmd.Env = []string{"PATH=" + bin + ":/bin:/usr/bin", "LOG=" + logFile}
	cmd.Stdin = bytes.NewReader(sh.Stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	expect(t, "commands", string(out), "login: s3cret in {\"auths\":{\"none.invalid\":{}}}\npull\ntag\n")
	dir, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(strings.TrimSpace(string(dir))); !os.IsNotExist(err) {
		t.Errorf("the credential folder %s is still there", dir)
	}
}
