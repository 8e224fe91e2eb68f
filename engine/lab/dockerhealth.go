package lab

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The opinions of a health check.
const (
	healthStarting = "starting"
	healthGood     = "healthy"
	healthBad      = "unhealthy"
)

// health is what a container's health check has found. The engine's mutex guards it.
type health struct {
	config v1.HealthConfig
	since  time.Time // when the container was started
	status string
	streak int
	log    []healthResult
}

type healthResult struct {
	start, end time.Time
	code       int
	output     string
}

// How often, how long, and how many times a check is made where the image does not say.
const (
	healthInterval = 30 * time.Second
	healthRetries  = 3
	healthKept     = 5
)

// healthConfig is the check that the container has; false: none.
func (c *container) healthConfig() (v1.HealthConfig, bool) {
	h := c.spec.Health
	if h == nil {
		h = c.image.entry.Health
	}
	if h == nil || len(h.Test) == 0 || h.Test[0] == "NONE" {
		return v1.HealthConfig{}, false
	}
	out := *h
	out.Interval, out.Timeout, out.Retries = orDefault(h.Interval, healthInterval), orDefault(h.Timeout, healthInterval), orDefault(h.Retries, healthRetries)
	return out, true
}

// newHealth is the state of a container that starts now. The caller holds the engine's mutex.
func (c *container) newHealth() *health {
	config, ok := c.healthConfig()
	if !ok {
		return nil
	}
	h := &health{config: config, since: c.started, status: healthStarting}
	if c.health != nil {
		h.log = c.health.log
	}
	return h
}

// watch makes the check again and again for as long as the first process lives.
func (c *container) watch(main *Process) {
	c.engine.mu.Lock()
	h := c.health
	c.engine.mu.Unlock()
	if h == nil {
		return
	}
	lab := c.engine.host.lab
	lab.work.start(func() {
		for {
			select {
			case <-main.Done():
				return
			case <-lab.ctx.Done():
				return
			case <-time.After(h.config.Interval):
			}
			c.engine.mu.Lock()
			ready := c.health == h && c.state == stateRunning
			c.engine.mu.Unlock()
			if ready {
				c.check(h)
			}
		}
	})
}

// check runs the test once, and gives its exit code.
func (c *container) check(h *health) int {
	r := c.probe(h.config)
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	if c.health != h || c.state != stateRunning {
		return r.code // it ended meanwhile
	}
	h.log = append(h.log, r)
	h.log = h.log[max(0, len(h.log)-healthKept):]
	switch {
	case r.code == 0:
		h.status, h.streak = healthGood, 0
	case h.status == healthStarting && r.end.Sub(h.since) < h.config.StartPeriod:
	default:
		if h.streak++; h.streak >= h.config.Retries {
			h.status = healthBad
		}
	}
	return r.code
}

// probe runs the test's command inside.
func (c *container) probe(config v1.HealthConfig) healthResult {
	argv := config.Test[1:]
	if config.Test[0] == "CMD-SHELL" {
		argv = append([]string{"/bin/sh", "-c"}, argv...)
	}
	e := c.engine
	r := healthResult{start: e.host.lab.now()}
	e.mu.Lock()
	world := c.world
	e.mu.Unlock()
	user, err := c.user(world, c.spec.User)
	if err != nil {
		return healthResult{start: r.start, end: e.host.lab.now(), code: -1, output: wordsOf(err)}
	}
	out := &healthOutput{}
	p := world.Start(Launch{Argv: argv, Env: c.env(user), Dir: orDefault(c.spec.Workdir, "/"), User: user.Name, Stdout: out, Stderr: out})
	limit := time.NewTimer(config.Timeout)
	defer limit.Stop()
	select {
	case <-p.Done():
		r.code = p.Wait()
	case <-limit.C:
		p.Signal(SIGKILL)
		r.code = -1
		_, _ = out.write(e.host.lab.ctx, fmt.Appendf(nil, "Health check exceeded timeout (%s)", config.Timeout))
	}
	r.end, r.output = e.host.lab.now(), out.text()
	if e.podman { // it tells no more than good or bad
		r.output = strings.TrimRight(r.output, "\n")
		if r.code != 0 {
			r.code = 1
		}
	}
	return r
}

// healthOutput takes the first of what a check prints.
type healthOutput struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (o *healthOutput) read(context.Context, []byte) (int, error) { return 0, nil }

func (o *healthOutput) write(_ context.Context, p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := 4096 - o.data.Len(); room > 0 {
		o.data.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (o *healthOutput) close() error { return nil }

func (o *healthOutput) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.String()
}

// inspect is the member Health of the container's state.
func (h *health) inspect() object {
	log := []object{}
	for _, r := range h.log {
		log = append(log, object{"Start": stamp(r.start), "End": stamp(r.end), "ExitCode": r.code, "Output": r.output})
	}
	return object{"Status": h.status, "FailingStreak": h.streak, "Log": log}
}
