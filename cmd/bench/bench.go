//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// plays are what the tools are told to do.
//
//go:embed play
var plays embed.FS

// A bench is what all experiments share: binaries, keys, the simulator, and the figures so far.
type bench struct {
	options
	dir     string // everything temporary is below it
	env     []string
	floor   string
	fleet   *simulator
	began   time.Time
	figures []figure
	grown   []chart
}

// simulated is the folder of the standard play on simulated hosts.
const simulated = "/opt/bench"

func newBench(ctx context.Context, o options) (*bench, error) {
	b := &bench{options: o, began: time.Now()}
	var err error
	if b.dir, err = os.MkdirTemp("", "cvsplay-bench-"); err != nil {
		return nil, err
	}
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context) error {
	for _, folder := range []string{"home", "base"} {
		if err := os.Mkdir(b.path(folder), 0o755); err != nil {
			return err
		}
	}
	// What a person has set up (keys, agent, settings of tools) takes no part.
	b.env = []string{"HOME=" + b.path("home"), "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TERM=dumb", "TMPDIR=" + b.dir}
	if err := os.CopyFS(b.dir, plays); err != nil {
		return err
	}
	b.floor = b.path("floor")
	targets := map[string]string{"floor": "./cmd/bench/floor", "fleet": "./cmd/bench/fleet"}
	if b.cvsplay == "" {
		b.cvsplay = b.path("cvsplay")
		targets["cvsplay"] = "./cmd/cvsplay"
	}
	for name, pkg := range targets {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", b.path(name), pkg)
		if b.asReleased {
			cmd.Args = []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.path(name), pkg}
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		}
	}
	return errors.Join(writeKey(b.path("id")), writeKey(b.path("host_key")))
}

// writeKey makes a key pair, in path and path.pub.
func writeKey(path string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "bench")
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path, pem.EncodeToMemory(block), 0o600), os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600))
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) close() error {
	var err error
	if b.fleet != nil {
		err = b.fleet.close()
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// say tells who waits what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%6.0fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// simulator is the simulated fleet, whose hosts "settled" are as the standard play wants them.
func (b *bench) simulator(ctx context.Context) (*simulator, error) {
	if b.fleet != nil {
		return b.fleet, nil
	}
	public, err := os.ReadFile(b.path("id.pub"))
	if err != nil {
		return nil, err
	}
	if b.fleet, err = startSimulator(b.path("fleet"), string(public), "mkdir -p "+simulated); err != nil {
		return nil, err
	}
	one, err := b.hostsOf(1)
	if err != nil {
		return nil, err
	}
	if _, err := b.standard(ctx, one, "fresh", 0); err != nil {
		return nil, err
	}
	_, err = b.fleet.tell(order{Do: "settle", Host: one.address(0)})
	return b.fleet, err
}

// hosts are some addresses with the files that make the tools know them.
type hosts struct {
	n       int
	net     string // "127.1.": of the simulator
	port    int
	user    string
	base    string // folder of the play on them
	prefix  string // of the files' names
	bench   *bench
	hostKey string
}

func (h hosts) address(i int) string {
	return fmt.Sprintf("%s%d.%d", h.net, i/250, 1+i%250)
}

// hostsOf are n simulated hosts.
func (b *bench) hostsOf(n int) (hosts, error) {
	return b.hostFiles(hosts{n: n, net: "127.1.", port: b.fleet.port, user: "root", base: simulated, prefix: fmt.Sprintf("fleet-%d", n), hostKey: b.fleet.key})
}

func (h hosts) file(kind string) string { return h.bench.path(h.prefix + "." + kind) }

func (b *bench) hostFiles(h hosts) (hosts, error) {
	h.bench = b
	var list, known, names strings.Builder
	for i := range h.n {
		fmt.Fprintf(&list, "%s:%d\n", h.address(i), h.port)
		fmt.Fprintf(&known, "[%s]:%d %s\n", h.address(i), h.port, h.hostKey)
		fmt.Fprintf(&names, "    %q,\n", h.address(i))
	}
	inventory := fmt.Sprintf(`defaults {
  ssh {
    user              = %q
    port              = %d
    config            = false
    identity_files    = [%q]
    known_hosts_files = [%q]
  }
}

group "bench" {
  hosts = [
%s  ]
}
`, h.user, h.port, b.path("id"), h.file("known"), names.String())
	return h, errors.Join(os.WriteFile(h.file("list"), []byte(list.String()), 0o600), os.WriteFile(h.file("known"), []byte(known.String()), 0o600),
		os.WriteFile(h.file("hcl"), []byte(inventory), 0o600))
}

// cvsplayRun is the command that runs a play.
func (b *bench) cvsplayRun(h hosts, play string, args ...string) []string {
	return append([]string{b.cvsplay, "run", b.path("play/" + play), "-i", h.file("hcl"), "--output", "plain"}, args...)
}

// floorRun is the command that asks what the standard play asks.
func (b *bench) floorRun(h hosts, mode string) []string {
	return []string{b.floor, "-mode", mode, "-hosts", h.file("list"), "-key", b.path("id"), "-known-hosts", h.file("known"), "-user", h.user, "-base", h.base}
}

// measure runs a command that has to end well.
func (b *bench) measure(ctx context.Context, argv []string) (usage, []byte, error) {
	u, out, err := measure(ctx, job{argv: argv, env: b.env, dir: b.dir})
	if err == nil && u.Code != 0 {
		err = fmt.Errorf("%s ended with %d", strings.Join(argv, " "), u.Code)
	}
	if err != nil {
		return u, out, fmt.Errorf("%w\n%s", err, tail(out))
	}
	return u, out, nil
}

func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }

// standard runs the standard play on simulated hosts that are "fresh" or "settled", and holds it to what has to come of it.
func (b *bench) standard(ctx context.Context, h hosts, from string, rtt time.Duration) (usage, error) {
	if err := b.fleet.start(from, rtt); err != nil {
		return usage{}, err
	}
	u, out, err := b.measure(ctx, b.cvsplayRun(h, "standard.hcl", "--var", "base="+h.base))
	if err != nil {
		return u, err
	}
	if err := recap(out, h.n, standardSteps, from == "fresh"); err != nil {
		return u, err
	}
	return u, b.undisturbed(h.n)
}

// undisturbed holds the simulator to one connection for each host, and none that broke.
func (b *bench) undisturbed(n int) error {
	t, err := b.fleet.tell(order{Do: "count"})
	if err == nil && (t.Connections != n || t.Handshakes != n || t.Broken != 0) {
		err = fmt.Errorf("%d hosts were reached over %d connections, of which %d came up; %d broke", n, t.Connections, t.Handshakes, t.Broken)
	}
	return err
}

// standardSteps is how many steps the standard play has.
const standardSteps = 20

var (
	recapEnd = regexp.MustCompile(`(?m)^([0-9,]+) hosts?, all well, (nothing changed|[0-9,]+ changes? on ([0-9,]+) hosts?), in `)
	recapRow = regexp.MustCompile(`(?m) +([0-9]+) +([0-9]+) +([0-9]+)$`)
)

// recap holds what cvsplay said to what it has to say: all steps ok on all hosts, or all of them changed.
func recap(out []byte, hosts, steps int, changed bool) error {
	wrong := func(what string) error { return fmt.Errorf("the recap is not as expected: %s\n%s", what, tail(out)) }
	end := recapEnd.FindSubmatch(out)
	if end == nil || string(end[1]) != grouped(hosts) {
		return wrong(fmt.Sprintf("not %d hosts, all well", hosts))
	}
	if got := string(end[2]) != "nothing changed"; got != changed {
		return wrong("what changed")
	}
	ok, change := steps, 0
	if changed {
		ok, change = 0, steps
	}
	at := bytes.LastIndex(out, []byte("\nhost "))
	rows := recapRow.FindAllSubmatch(out[max(at, 0):], -1)
	if want := fmt.Sprintf("%d %d 0", ok, change); len(rows) != 1 || string(bytes.Join(rows[0][1:], []byte(" "))) != want {
		return wrong("the rows of counts are not one of " + want)
	}
	return nil
}

// asked runs the floor on simulated hosts. They have to give one and the same answer.
func (b *bench) asked(ctx context.Context, h hosts, rtt time.Duration) (usage, error) {
	if err := b.fleet.start("settled", rtt); err != nil {
		return usage{}, err
	}
	u, out, err := b.measure(ctx, b.floorRun(h, "script"))
	if err != nil {
		return u, err
	}
	if err := sameAnswer(out, h.n); err != nil {
		return u, err
	}
	return u, b.undisturbed(h.n)
}

func sameAnswer(out []byte, hosts int) error {
	if !regexp.MustCompile(fmt.Sprintf(`^\{"[0-9a-f]{64}":%d\}\n$`, hosts)).Match(out) {
		return fmt.Errorf("the floor did not get one answer from all of %d hosts: %s", hosts, tail(out))
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// machine is what is worth knowing of the machine that the figures are from.
func machine() string {
	model := runtime.GOARCH
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%d CPUs (%s), %s, GOGC unset", runtime.NumCPU(), model, runtime.Version())
}
