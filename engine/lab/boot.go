package lab

import (
	"crypto/rand"
	"fmt"
	"time"
)

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (h *Host) bootIdentity() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bootID
}

// boot starts the first process and the services.
func (h *Host) boot() {
	h.mu.Lock()
	h.bootID = newUUID()
	h.mu.Unlock()
	w := h.world
	w.mu.Lock()
	w.nextPID, w.bootTime = 1, w.now()
	w.mu.Unlock()
	w.Start(Launch{Argv: []string{"/sbin/init"}, Idle: true})
	for _, s := range h.services {
		s.Start(h)
	}
}

// Reboot takes the host down, as the reboot command does, and brings it up again after the lab's boot time: connections
// are cut, processes die, /run and /tmp are empty. It does not wait.
func (h *Host) Reboot() {
	h.mu.Lock()
	if h.down {
		h.mu.Unlock()
		return
	}
	h.down = true
	h.mu.Unlock()
	h.lab.work.start(func() {
		for _, s := range h.services {
			s.Stop(h)
		}
		h.hangUp()
		h.world.Kill(SIGKILL)
		for _, dir := range []string{"/run", "/tmp"} {
			entries, _ := h.FS().ReadDir(dir)
			for _, e := range entries {
				_ = h.FS().Remove(dir + "/" + e.Base)
			}
		}
		_ = h.FS().MkdirAll("/run/lock", 0o755)
		_ = h.FS().MkdirAll("/run/sshd", 0o755)
		select {
		case <-time.After(h.lab.opts.Boot):
		case <-h.lab.ctx.Done():
			return
		}
		h.boot()
		h.mu.Lock()
		h.down = false
		h.mu.Unlock()
	})
}

// daemon is a service that only exists: a process that others can see.
type daemon struct {
	argv    []string
	process *Process
}

func (d *daemon) Start(h *Host) {
	d.process = h.world.Start(Launch{Argv: d.argv, Parent: 1, Idle: true})
}

func (d *daemon) Stop(*Host) {
	if d.process != nil {
		d.process.finish(exitStatus{signal: SIGTERM})
	}
}

// standardServices are what every host runs.
func (h *Host) standardServices() []Service {
	return []Service{&daemon{argv: []string{"/lib/systemd/systemd-journald"}}, &systemSSHD{}, newContainerEngine(h), newPodmanStores(h)}
}
