//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// A contender is another tool that does, or asks, what the standard play does.
type contender struct {
	name   string
	argv   []string
	env    []string
	check  func(out []byte) error
	slow   bool
	absent bool
	failed error // it is not run again
	runs   series
}

// otherTools lets cvsplay, the floor and other tools take turns on one sshd that stands for 50 hosts.
func otherTools(ctx context.Context, b *bench) error {
	server, h, err := b.startSSHD(ctx)
	if errors.Is(err, errNotInstalled) {
		for _, row := range []string{"P3", "P4", "P5"} {
			b.add(goals[row].without(row, "", "sshd is not installed"))
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer server.close()
	if _, _, err := b.measure(ctx, b.cvsplayRun(h, "standard.hcl", "--var", "base="+h.base, "--limit", h.address(0))); err != nil {
		return err
	}
	tools, err := b.contenders(h)
	if err != nil {
		return err
	}
	for round := range b.repeats {
		for i := range tools {
			c := &tools[i]
			if c.absent || c.failed != nil || c.slow && round >= b.slow {
				continue
			}
			c.failed = b.turn(ctx, c)
		}
	}
	b.compare(tools)
	var errs []error
	for _, c := range tools {
		errs = append(errs, c.failed)
	}
	return errors.Join(errs...)
}

func (b *bench) turn(ctx context.Context, c *contender) error {
	u, out, err := measure(ctx, job{argv: c.argv, env: append(b.env[:len(b.env):len(b.env)], c.env...), dir: b.dir})
	if err == nil && u.Code != 0 {
		err = fmt.Errorf("it ended with %d", u.Code)
	}
	if err == nil {
		err = c.check(out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", c.name, err, tail(out))
	}
	b.say("%s: %.2f s, CPU %.2f s, %d processes left behind", c.name, u.Wall, u.CPU, u.Left)
	c.runs = append(c.runs, u)
	return nil
}

// compare makes the rows, and a line for every other tool.
func (b *bench) compare(tools []contender) {
	by := map[string]*contender{}
	for i := range tools {
		by[tools[i].name] = &tools[i]
	}
	ours := by["cvsplay"]
	row := func(g goal, id, name, about string, get func(series) []float64) {
		c := by[name]
		switch {
		case !b.wants(id):
		case c.absent:
			b.add(g.without(id, about, "not installed"))
		case c.failed != nil || ours.failed != nil:
			b.add(g.without(id, about, "failed, see the error"))
		case len(c.runs) == 0:
			b.add(g.without(id, about, "not run"))
		default:
			o, c := get(ours.runs), get(c.runs)
			note := fmt.Sprintf("%s %s s, cvsplay %s s", name, number(median(c)), number(median(o)))
			b.add(g.against(id, about, ratios(c, o), note).
				stands(fmt.Sprintf("cvsplay would have to take %s s", number(median(c)/g.goal))))
		}
	}
	row(goals["P3"], "P3", "Ansible", "50 hosts on one sshd", series.wall)
	row(goals["P4"], "P4", "Ansible", "50 hosts on one sshd", series.cpu)
	row(goals["P5"], "P5", "Mitogen", "wall", series.wall)
	row(mitogenCPU, "P5", "Mitogen", "control CPU", series.cpu)
	for _, name := range []string{"floor", "floor, a shell", "floor, a channel a step", "floor, connect only", "pssh", "clush"} {
		c := by[name]
		if len(c.runs) == 0 || len(ours.runs) == 0 {
			continue
		}
		note := fmt.Sprintf("%s %s s, CPU %s s; cvsplay %s s, CPU %s s", name, number(median(c.runs.wall())), number(median(c.runs.cpu())), number(median(ours.runs.wall())), number(median(ours.runs.cpu())))
		b.add(beside("P3", "wall, "+name+" ÷ cvsplay, same", "", ratios(c.runs.wall(), ours.runs.wall()), note))
	}
}

func (b *bench) contenders(h hosts) ([]contender, error) {
	tools := []contender{
		{name: "cvsplay", argv: b.cvsplayRun(h, "standard.hcl", "--var", "base="+h.base), check: func(out []byte) error { return recap(out, h.n, standardSteps, false) }},
		{name: "floor", argv: b.floorRun(h, "script"), check: func(out []byte) error { return sameAnswer(out, h.n) }},
		{name: "floor, a shell", argv: b.floorRun(h, "shell"), check: func(out []byte) error { return sameAnswer(out, h.n) }},
		{name: "floor, a channel a step", argv: b.floorRun(h, "channels"), check: func(out []byte) error { return sameAnswer(out, h.n) }},
		{name: "floor, connect only", argv: b.floorRun(h, "connect"), check: func(out []byte) error { return sameAnswer(out, h.n) }},
	}
	options := []string{"-F", "none", "-i", b.path("id"), "-o", "UserKnownHostsFile=" + h.file("known"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"}
	list, ini := "", "[all]\n"
	for i := range h.n {
		list += fmt.Sprintf("%s:%d\n", h.address(i), h.port)
		ini += fmt.Sprintf("%s ansible_port=%d ansible_user=%s ansible_ssh_private_key_file=%s\n", h.address(i), h.port, h.user, b.path("id"))
	}
	questions, err := os.ReadFile("cmd/bench/floor/questions.sh")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.WriteFile(b.path("pssh.list"), []byte(list), 0o600), os.WriteFile(b.path("ansible.cfg"), nil, 0o600), os.WriteFile(b.path("ansible.ini"), []byte(ini), 0o600)); err != nil {
		return nil, err
	}
	script := "B=" + h.base + "\n" + string(questions)
	p := contender{name: "pssh", check: nothing, absent: true}
	for _, name := range []string{"parallel-ssh", "pssh"} {
		if path := command(name); path != "" {
			p.absent = false
			p.argv = []string{path, "-h", b.path("pssh.list"), "-l", h.user, "-p", strconv.Itoa(h.n), "-i", "-t", "0", "-x", strings.Join(options, " "), script}
			break
		}
	}
	c := contender{name: "clush", check: nothing, absent: command("clush") == ""}
	c.argv = []string{command("clush"), "-w", fmt.Sprintf("%s[1-%d]", h.net+"0.", h.n), "-l", h.user, "-f", strconv.Itoa(h.n), "-b", "-o", strings.Join(append(options, "-p", strconv.Itoa(h.port)), " "), script}
	return append(append(tools, p, c), b.ansible(h, options)...), nil
}

func nothing([]byte) error { return nil }

// ansible is Ansible at its best: pipelining, connections that persist, a fork for each host, no facts; and the same with Mitogen's strategy.
func (b *bench) ansible(h hosts, options []string) []contender {
	binary := command("ansible-playbook")
	args := strings.Join(append(options, "-o", "ControlMaster=auto", "-o", "ControlPersist=60s"), " ")
	env := []string{
		"ANSIBLE_CONFIG=" + b.path("ansible.cfg"), "ANSIBLE_PIPELINING=True", "ANSIBLE_FORKS=" + strconv.Itoa(h.n), "ANSIBLE_SSH_ARGS=" + args, "ANSIBLE_NOCOLOR=1",
		"ANSIBLE_SSH_CONTROL_PATH_DIR=" + b.path("cp"), "ANSIBLE_HOME=" + b.path("home/.ansible"), "ANSIBLE_LOCAL_TEMP=" + b.path("home/.ansible/tmp"), "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3",
	}
	argv := []string{binary, "-i", b.path("ansible.ini"), "-e", "base=" + h.base, b.path("play/standard.yml")}
	check := func(out []byte) error {
		if n := len(ansibleRow.FindAll(out, -1)); n != h.n {
			return fmt.Errorf("%d of %d hosts are as wanted", n, h.n)
		}
		return nil
	}
	plugins := mitogenPlugins(binary)
	return []contender{
		{name: "Ansible", argv: argv, env: env, check: check, slow: true, absent: binary == ""},
		{
			name: "Mitogen", argv: argv, env: append(env[:len(env):len(env)], "ANSIBLE_STRATEGY_PLUGINS="+plugins, "ANSIBLE_STRATEGY=mitogen_linear"),
			check: check, slow: true, absent: plugins == "",
		},
	}
}

// ansibleRow is what Ansible says of a host on which nothing had to change.
var ansibleRow = regexp.MustCompile(`(?m) : ok=20 +changed=0 +unreachable=0 +failed=0 `)

// mitogenPlugins is the folder of Mitogen's strategies for the Python that runs Ansible; "" where it is not there.
func mitogenPlugins(ansible string) string {
	text, err := os.ReadFile(ansible)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(strings.TrimPrefix(line, "#!"))
	if len(fields) == 0 {
		return ""
	}
	cmd := exec.Command(fields[0], append(fields[1:], "-c", "import os, ansible_mitogen; print(os.path.dirname(ansible_mitogen.__file__))")...)
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out)) + "/plugins/strategy"
}
