package modules

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cvsplay/engine"
	"cvsplay/engine/remote/remotetest"
)

// A copyBench is two hosts that are folders of this machine, with real ssh and sshd, a runtime that is a file, and one shell.
type copyBench struct {
	t       *testing.T
	shell   []string
	account string
	bin     string
	holder  *imageHost
	taker   *imageHost
	store   map[*imageHost]string
}

// The store of the runtime is where DOCKER_HOST says: sessions of the sshd have to be told it as all others.
const copyRuntime = `case "$1 $2" in
"image inspect") [ -e "$DOCKER_HOST/image" ] ;;
"save docker.io/rocm/cvs:7") if [ -e "$DOCKER_HOST/hangs" ]; then exec sleep 98765; fi; cat "$DOCKER_HOST/image" ;;
"load "*) cat >"$DOCKER_HOST/image.new" && [ -s "$DOCKER_HOST/image.new" ] || { echo "unexpected EOF" >&2; exit 1; }; mv "$DOCKER_HOST/image.new" "$DOCKER_HOST/image" ;;
"tag sha256:"*) [ "$3" = docker.io/rocm/cvs:7 ] ;;
*) echo "unexpected: $*" >&2; exit 2 ;;
esac`

func newCopyBench(t *testing.T, shell ...string) *copyBench {
	t.Helper()
	for _, part := range []string{"root", "useradd", "sshd", "ssh", shell[0]} {
		remotetest.Need(t, part)
	}
	bin := fakeRuntime(t, copyRuntime)
	for _, dir := range []string{bin, filepath.Dir(bin)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b := &copyBench{t: t, shell: shell, account: remotetest.Account{}.Make(t), bin: bin, store: map[*imageHost]string{}}
	b.holder, b.taker = b.host("holder"), b.host("taker")
	b.holder.Args.Port = freeTCPPort(t)
	return b
}

func (b *copyBench) host(name string) *imageHost {
	h := &imageHost{ref: must(parseReference(simImage)), archived: simArchive().Images[0]}
	h.Host, h.Address, h.Run = name, "127.0.0.1", fmt.Sprintf("test%d-%s", time.Now().UnixNano(), name)
	h.Args.Runtime = engine.DockerRuntime
	h.folder = imageFolder(h.Run, h.ref)
	b.store[h] = filepath.Join(b.t.TempDir(), "store")
	for _, dir := range []string{filepath.Dir(filepath.Dir(b.store[h])), filepath.Dir(b.store[h]), b.store[h]} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			b.t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := h.readCopyFacts(b.run(h, copyQuestion(h.ref))); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.run(h, removeFolder(h.folder)) })
	return h
}

func freeTCPPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (b *copyBench) command(h *imageHost, sh engine.Shell) *exec.Cmd {
	words := append([]string{"-u", b.account, "--", "env", "-i", "PATH=" + b.bin + ":/usr/bin:/bin", "HOME=/home/" + b.account, "DOCKER_HOST=" + b.store[h]}, b.shell...)
	cmd := exec.CommandContext(context.WithoutCancel(b.t.Context()), "runuser", append(append(words, "-c", sh.Text, "sh"), sh.Args...)...)
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(sh.Stdin)
	return cmd
}

func (b *copyBench) run(h *imageHost, sh engine.Shell) engine.Answer {
	var out, errs bytes.Buffer
	cmd := b.command(h, sh)
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return shellAnswer(cmd.ProcessState.ExitCode(), out.String(), errs.String())
}

// did runs a change's text, and remembers it as done.
func (b *copyBench) did(h *imageHost, what string, sh engine.Shell) engine.Answer {
	b.t.Helper()
	a := b.run(h, sh)
	h.Past = append(h.Past, engine.Outcome{What: what, OK: true, Answers: []engine.Answer{a}})
	return a
}

func (b *copyBench) well(h *imageHost, what string, sh engine.Shell) {
	b.t.Helper()
	if a := b.did(h, what, sh); a.Code != 0 {
		b.t.Fatalf("%s: exit code %d\n%s%s", what, a.Code, a.Stdout, a.Stderr)
	}
}

// serves makes keys on both, and lets the holder serve.
func (b *copyBench) serves(image []byte) {
	b.t.Helper()
	if err := os.WriteFile(b.store[b.holder]+"/image", image, 0o644); err != nil {
		b.t.Fatal(err)
	}
	for _, h := range []*imageHost{b.holder, b.taker} {
		b.well(h, changeMakeKeys, h.makeKeys())
		if h.keys = h.madeKeys(); h.keys == nil {
			b.t.Fatalf("no keys: %+v", h.Past)
		}
	}
	b.well(b.holder, changeServe, b.holder.serve("restrict "+b.taker.keys.id+" taker\n", false))
}

// over logs in on the holder as the taker would, with these words more.
func (b *copyBench) over(words ...string) *exec.Cmd {
	text := "exec ssh -F /dev/null -p " + strconv.Itoa(b.holder.Args.Port) + " -i " + b.taker.folder + "/id -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR " +
		engine.QuoteAll(words...)
	return b.command(b.taker, engine.Shell{Text: text})
}

func noise(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rand.Uint32())
	}
	return out
}

// gone holds the holder to have no folder, and nothing that listens or works for it.
func (b *copyBench) gone() {
	b.t.Helper()
	for _, h := range []*imageHost{b.holder, b.taker} {
		if a := b.run(h, removeFolder(h.folder)); a.Code != 0 {
			b.t.Errorf("remove: %s", a.Stderr)
		}
		if _, err := os.Stat(h.folder); !os.IsNotExist(err) {
			b.t.Errorf("%s is still there (%v)", h.folder, err)
		}
	}
	if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.holder.Args.Port)); err == nil {
		_ = conn.Close()
		b.t.Error("somebody still listens")
	}
	for _, file := range must(filepath.Glob("/proc/[0-9]*/cmdline")) {
		text, err := os.ReadFile(file)
		if err == nil && (bytes.Contains(text, []byte(b.holder.folder)) || bytes.Equal(text, []byte("sleep\x0098765\x00"))) {
			b.t.Errorf("still runs: %q", text)
		}
	}
}

// The texts mean the same in every shell: an image goes through a real sshd of an ordinary account, and nothing is left.
func TestImageCopyTexts(t *testing.T) {
	for _, shell := range [][]string{{"dash"}, {"bash"}, {"busybox", "sh"}, {"mksh"}} {
		t.Run(shell[0], func(t *testing.T) {
			b := newCopyBench(t, shell...)
			image := noise(3 << 20)
			b.serves(image)
			b.well(b.taker, changeFetch, b.taker.fetch(b.holder))
			if got := b.taker.fetchedFrom(changeFetch); got != "holder" {
				t.Errorf("from %q", got)
			}
			if got, err := os.ReadFile(b.store[b.taker] + "/image"); err != nil || !bytes.Equal(got, image) {
				t.Errorf("another image came: %d bytes, %v", len(got), err)
			}
			if _, err := os.Stat(b.taker.folder + "/image"); err != nil {
				t.Errorf("the mark of the image: %v", err)
			}
			b.gone()
		})
	}
}

// Whoever has the key gets the image and nothing else; whoever has not gets nothing.
func TestImageServesTheImageAlone(t *testing.T) {
	b := newCopyBench(t, "dash")
	b.serves([]byte("the image"))
	account := b.account + "@127.0.0.1"
	for _, c := range []struct {
		name  string
		words []string
		want  string
	}{
		{"no command", []string{"-T", account}, "the image"},
		{"another command", []string{account, "id; cat /etc/passwd"}, "the image"},
		{"a terminal", []string{"-tt", account, "id"}, "PTY allocation request failed"},
		{"a subsystem", []string{"-s", account, "sftp"}, "subsystem request failed"},
		{"a tunnel", []string{"-o", "ExitOnForwardFailure=yes", "-W", "127.0.0.1:22", account}, "stdio forwarding failed"},
		{"root", []string{"root@127.0.0.1", "x"}, "Permission denied"},
	} {
		out, _ := b.over(c.words...).CombinedOutput()
		if !strings.Contains(string(out), c.want) || strings.Contains(string(out), "uid=") {
			t.Errorf("%s: %q", c.name, out)
		}
	}
	other := b.host("other")
	b.well(other, changeMakeKeys, other.makeKeys())
	other.keys = other.madeKeys()
	if a := b.did(other, changeFetch, other.fetch(b.holder)); a.Code != 2 || !strings.Contains(a.Stderr.String(), "Permission denied") {
		t.Errorf("a key that is not let in: %d %s", a.Code, a.Stderr)
	}
	b.gone()
}

func TestImageCopyTextsFail(t *testing.T) {
	b := newCopyBench(t, "dash")
	b.serves([]byte("the image"))
	t.Run("another host key", func(t *testing.T) {
		liar := *b.holder
		keys := *b.holder.keys
		keys.host = b.taker.keys.host
		liar.keys = &keys
		if a := b.run(b.taker, b.taker.fetch(&liar)); a.Code != 2 || !strings.Contains(a.Stderr.String(), "Host key verification failed") {
			t.Errorf("%d %s", a.Code, a.Stderr)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		away := *b.holder
		away.Args.Port = freeTCPPort(t)
		if a := b.run(b.taker, b.taker.fetch(&away)); a.Code != 2 || !strings.Contains(a.Stderr.String(), "Connection refused") {
			t.Errorf("%d %s", a.Code, a.Stderr)
		}
	})
	t.Run("port taken", func(t *testing.T) {
		second := b.host("second")
		second.Args.Port = b.holder.Args.Port
		b.well(second, changeMakeKeys, second.makeKeys())
		if a := b.run(second, second.serve("", false)); a.Code == 0 || !strings.Contains(a.Stderr.String(), "Address already in use") {
			t.Errorf("%d %s", a.Code, a.Stderr)
		}
	})
	t.Run("serves only what came", func(t *testing.T) {
		b.taker.Args.Port = freeTCPPort(t)
		if a := b.run(b.taker, b.taker.serve("", true)); a.Code != 3 || !strings.Contains(a.Stderr.String(), "did not come") {
			t.Errorf("%d %s", a.Code, a.Stderr)
		}
	})
	t.Run("nothing is loaded", func(t *testing.T) {
		if err := os.Truncate(b.store[b.holder]+"/image", 0); err != nil {
			t.Fatal(err)
		}
		if a := b.run(b.taker, b.taker.fetch(b.holder)); a.Code != 3 || !strings.Contains(a.Stderr.String(), "unexpected EOF") {
			t.Errorf("%d %s", a.Code, a.Stderr)
		}
	})
	t.Run("a folder of somebody else", func(t *testing.T) {
		h := b.host("robbed")
		if err := os.Mkdir(h.folder, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(h.folder)
		if a := b.run(h, h.makeKeys()); a.Code == 0 {
			t.Error("keys in it")
		}
		if a := b.run(h, engine.Shell{Text: makeFolderText, Args: []string{h.folder}}); a.Code == 0 {
			t.Error("an archive in it")
		}
	})
	t.Run("ended in the middle", func(t *testing.T) {
		if err := os.WriteFile(b.store[b.holder]+"/hangs", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := b.over("-T", b.account+"@127.0.0.1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); !runs("sleep\x0098765\x00"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing is served")
			}
		}
		b.gone()
		_ = cmd.Wait() // by its connection's end
	})
}

func runs(cmdline string) bool {
	for _, file := range must(filepath.Glob("/proc/[0-9]*/cmdline")) {
		if text, err := os.ReadFile(file); err == nil && string(text) == cmdline {
			return true
		}
	}
	return false
}
