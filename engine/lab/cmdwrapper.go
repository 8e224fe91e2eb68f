package lab

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// wrapperCommands run another program in a changed setting.
func wrapperCommands() map[string]Command {
	return map[string]Command{
		"env":      envCommand,
		"printenv": command("0,null", 2, printenvCommand),
		"nohup":    nohupCommand,
		"setsid":   command("+ f,fork w,wait c,ctty", 1, setsidCommand),
		"timeout":  command("+ s,signal= k,kill-after= preserve-status foreground v,verbose", 125, timeoutCommand),
		"nice":     command("+ n,adjustment=", 125, execRest),
		"ionice":   command("+ c,class= n,classdata= t p=", 125, execRest),
		"stdbuf":   command("+ i,input= o,output= e,error=", 125, execRest),
		"chroot":   command("+ userspec= groups= skip-chdir", 125, func(c *cmdline) int { c.p.Errorf("not simulated"); return 125 }),
		"time":     command("+ p v f= o=", 125, execRest),
		"watch":    command("+ n= d t", 1, func(c *cmdline) int { c.p.Errorf("not simulated"); return 1 }),
	}
}

func execRest(c *cmdline) int {
	if len(c.args) == 0 {
		c.need(1)
		return 125
	}
	return c.p.Exec(c.args)
}

func envCommand(_ context.Context, p *Process, argv []string) int {
	c, ok := parse(p, argv, "+ i,ignore-environment u,unset= 0,null C,chdir= S,split-string= v")
	if !ok {
		return 125
	}
	if text := c.last("S", ""); text != "" {
		words, err := quotedWords(text)
		if err != nil {
			p.Errorf("%v", err)
			return 125
		}
		c.args = append(words, c.args...)
	}
	env := p.Environ()
	args := c.args
	if len(args) > 0 && args[0] == "-" {
		c.set["i"], args = true, args[1:]
	}
	if c.has("i") {
		env = nil
	}
	for _, name := range c.value["u"] {
		env = slices.DeleteFunc(slices.Clone(env), func(e string) bool { return strings.HasPrefix(e, name+"=") })
	}
	for len(args) > 0 && strings.Contains(args[0], "=") {
		env = setEnv(env, args[0])
		args = args[1:]
	}
	if len(args) == 0 {
		return c.printEnv(env)
	}
	p.mu.Lock()
	p.env = env
	if dir := c.last("C", ""); dir != "" {
		p.cwd = cleanPath(p.cwd + "/" + dir)
		if strings.HasPrefix(dir, "/") {
			p.cwd = cleanPath(dir)
		}
	}
	p.mu.Unlock()
	return p.Exec(args)
}

func (c *cmdline) printEnv(env []string) int {
	end := "\n"
	if c.has("0") {
		end = "\x00"
	}
	return c.buffered(func(w *bufio.Writer) int {
		for _, e := range env {
			_, _ = w.WriteString(e + end)
		}
		return 0
	})
}

func printenvCommand(c *cmdline) int {
	if len(c.args) == 0 {
		return c.printEnv(c.p.Environ())
	}
	code := 0
	for _, name := range c.args {
		if v, ok := c.p.lookupEnv(name); ok {
			fmt.Fprintln(c.p.Stdout(), v)
		} else {
			code = 1
		}
	}
	return code
}

func nohupCommand(_ context.Context, p *Process, argv []string) int {
	args := argv[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		p.Errorf("missing operand")
		return 125
	}
	p.ignore(SIGHUP, true)
	return p.Exec(args)
}

func setsidCommand(c *cmdline) int {
	if len(c.args) == 0 {
		c.p.Errorf("no command specified")
		return 1
	}
	_, pgid, _ := c.p.ids()
	if pgid != c.p.pid && !c.has("f") {
		c.p.mu.Lock()
		c.p.sid, c.p.pgid = c.p.pid, c.p.pid
		c.p.mu.Unlock()
		return c.p.Exec(c.args)
	}
	child := c.p.spawn(spawn{argv: c.args, session: true, main: func(p *Process) int { return p.Exec(c.args) }})
	if c.has("w") {
		return c.p.wait(child).shell()
	}
	return 0
}

func timeoutCommand(c *cmdline) int {
	if len(c.args) < 2 {
		c.need(2)
		return 125
	}
	limit, ok := parseDuration(c.args[0])
	if !ok {
		c.p.Errorf("invalid time interval %s", gnuQuote(c.args[0]))
		return 125
	}
	sig, ok := parseSignal(c.last("s", "TERM"))
	if !ok {
		c.p.Errorf("%s: invalid signal", gnuQuote(c.last("s", "")))
		return 125
	}
	grace := time.Duration(0)
	if text := c.last("k", ""); text != "" {
		if grace, ok = parseDuration(text); !ok {
			c.p.Errorf("invalid time interval %s", gnuQuote(text))
			return 125
		}
	}
	if !c.has("foreground") {
		c.p.mu.Lock()
		c.p.pgid = c.p.pid
		c.p.mu.Unlock()
	}
	argv := c.args[1:]
	child := c.p.spawn(spawn{argv: argv, main: func(p *Process) int { return p.Exec(argv) }})
	return c.guardTime(child, limit, grace, sig)
}

func (c *cmdline) guardTime(child *Process, limit, grace time.Duration, sig Signal) int {
	_, group, _ := c.p.ids()
	send := func(sig Signal) {
		child.Signal(sig)
		if c.has("foreground") {
			return
		}
		for _, q := range c.p.world.Processes() {
			if _, pgid, _ := q.ids(); pgid == group && q != c.p && q != child {
				q.Signal(sig)
			}
		}
	}
	c.p.OnSignal(func(sig Signal) bool {
		send(sig)
		return true
	})
	expired := false
	timer := time.NewTimer(limit)
	defer timer.Stop()
	if limit == 0 {
		timer.Stop()
	}
	for {
		select {
		case <-child.done:
			st := child.exit()
			switch {
			case !expired:
				return st.shell()
			case c.has("preserve-status") || st.signal == SIGKILL:
				return st.shell()
			}
			return 124
		case <-c.p.ctx.Done():
			return 137
		case <-timer.C:
			if expired {
				send(SIGKILL)
				continue
			}
			expired = true
			send(sig)
			if grace > 0 {
				timer.Reset(grace)
			}
		}
	}
}
