package modules

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"cvsplay/engine"
	"cvsplay/engine/lab"
)

// A labFleet is lab hosts, reached over SSH as root.
type labFleet struct {
	containerBench
	lab     *lab.Lab
	clients map[string]*ssh.Client
}

func newLabFleet(t *testing.T, specs ...lab.HostSpec) *labFleet {
	t.Helper()
	l, err := lab.Start(lab.Options{Hosts: specs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &labFleet{containerBench: containerBench{t: t, run: "run-1", past: map[string][]engine.Outcome{}}, lab: l, clients: map[string]*ssh.Client{}}
	key := must(ssh.ParsePrivateKey(l.ClientKey()))
	for _, h := range l.Hosts() {
		c, err := ssh.Dial("tcp", fmt.Sprintf("%s:%d", h.Address(), h.Port()), &ssh.ClientConfig{
			User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(h.HostKey()),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		f.clients[h.Name()] = c
	}
	f.ask = f.over
	return f
}

// over runs a shell text on a host.
func (f *labFleet) over(host string, q engine.Question) engine.Answer {
	sh := q.(engine.Shell)
	s, err := f.clients[host].NewSession()
	if err != nil {
		return engine.Answer{State: engine.Lost, Why: err.Error()}
	}
	defer func() { _ = s.Close() }()
	var out, errs bytes.Buffer
	s.Stdin, s.Stdout, s.Stderr = bytes.NewReader(sh.Stdin), &out, &errs
	a := engine.Answer{State: engine.Given}
	err = s.Run("exec /bin/sh -c " + engine.QuoteAll(append([]string{sh.Text, "sh"}, sh.Args...)...))
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		a.Code = exit.ExitStatus()
	} else if err != nil {
		return engine.Answer{State: engine.Lost, Why: err.Error()}
	}
	a.Stdout = engine.Output{Bytes: out.Bytes(), Size: int64(out.Len())}
	a.Stderr = engine.Output{Bytes: errs.Bytes(), Size: int64(errs.Len())}
	return a
}

func (f *labFleet) everywhere(edit func(*containerArgs)) map[string]containerArgs {
	out := map[string]containerArgs{}
	for _, h := range f.lab.Hosts() {
		out[h.Name()] = simArgs(func(a *containerArgs) {
			a.Image, a.Profile, a.Lifetime = "docker.io/rocm/cvs:latest", profileROCm, persistent
			a.SetupScript = "#!/bin/sh\necho provisioned >/opt/mark\n"
			edit(a)
		})
	}
	return out
}

func (f *labFleet) snapshots() string {
	var b strings.Builder
	for _, h := range f.lab.Hosts() {
		b.WriteString(h.Snapshot())
	}
	return b.String()
}

// The rocm profile over the lab's fleet: cold start, a second run that changes nothing, a stopped one, drift, removal.
func TestContainerOnLab(t *testing.T) {
	f := newLabFleet(t, lab.HostSpec{Name: "n1"}, lab.HostSpec{Name: "n2"}, lab.HostSpec{Name: "n3", GPU: "none"})
	same := func(*containerArgs) {}
	ends, transcript := f.ensure(f.everywhere(same))
	expect(t, "cold start", fmt.Sprint(ends), "map[n1:done n2:done n3:done]")
	if n := strings.Count(transcript, "act: run setup_script"); n != 3 {
		t.Errorf("provisioned %d times:\n%s", n, transcript)
	}
	look := func(host, argv string) string {
		a := f.over(host, engine.Shell{Text: "docker exec -i box " + argv + " 2>&1"})
		return strings.TrimSpace(a.Stdout.String())
	}
	expect(t, "provisioned", look("n2", "cat /opt/mark"), "provisioned")
	expect(t, "devices", look("n1", "ls /dev/kfd"), "/dev/kfd")
	expect(t, "no devices", look("n3", "ls /dev/kfd"), "ls: cannot access '/dev/kfd': No such file or directory")

	before := f.snapshots()
	ends, transcript = f.ensure(f.everywhere(same))
	expect(t, "second run", fmt.Sprint(ends)+transcript, "map[n1:done n2:done n3:done]")
	expect(t, "state", fmt.Sprint(f.snapshots() == before), "true")

	f.over("n2", engine.Shell{Text: "docker stop -t 0 box"})
	ends, transcript = f.ensure(f.everywhere(same))
	expect(t, "stopped", fmt.Sprint(ends)+"\n"+transcript, "map[n1:done n2:done n3:done]\nn2: act: start container\n")

	// Without the fast path the lab's description of the container has to bear every field out.
	for name, a := range f.everywhere(same) {
		facts := must(readContainerFacts(f.over(name, a.Ask()[0])))
		box := facts.container("box")
		delete(box.Config.Labels, labelSpec)
		if d := a.spec(facts).drift(*box, facts); len(d) > 0 {
			t.Errorf("%s: %v", name, d)
		}
	}

	ends, _ = f.ensure(f.everywhere(func(a *containerArgs) { a.ShmSize, a.OnDrift = "2g", driftRecreate }))
	expect(t, "recreated", fmt.Sprint(ends), "map[n1:done n2:done n3:done]")

	f.over("n3", engine.Shell{Text: "systemctl stop docker"})
	ends, _ = f.ensure(f.everywhere(same))
	if !strings.HasPrefix(ends["n1"], "refused: container box: the state of 1 host is not known") || !strings.Contains(ends["n3"], "Cannot connect to the Docker daemon") {
		t.Errorf("engine down: %v", ends)
	}
	f.over("n3", engine.Shell{Text: "systemctl start docker"})
	for _, h := range []string{"n1", "n2", "n3"} {
		expect(t, "removed", f.remove(h, containerAbsentArgs{Name: "box", Run: f.run}), "done")
	}
}

// Two hosts with the image of the registry and one with another under the same tag: nothing starts. By digest it does.
func TestOddImageOnLab(t *testing.T) {
	f := newLabFleet(t, lab.HostSpec{Name: "n1"}, lab.HostSpec{Name: "n2"}, lab.HostSpec{Name: "n3", Faults: []lab.Fault{{Kind: lab.OddImage}}})
	ends, _ := f.ensure(f.everywhere(func(*containerArgs) {}))
	if !strings.HasPrefix(ends["n1"], "refused: container box: the hosts would not run the same image, so nothing is started:\n  n3: ") {
		t.Error(ends["n1"])
	}
	r := &engine.Registry{Transport: f.lab.RegistryTransport(), Keychain: noKeychain{}}
	m := r.Manifest(t.Context(), engine.Manifest{Ref: "docker.io/rocm/cvs:latest"})
	if m.Problem != "" {
		t.Fatalf("%+v", m)
	}
	ends, _ = f.ensure(f.everywhere(func(a *containerArgs) { a.Image += "@" + m.Digest }))
	expect(t, "by digest", fmt.Sprint(ends), "map[n1:done n2:done n3:done]")
}
