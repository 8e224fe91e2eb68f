package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"cvsplay/engine/event"
	"cvsplay/engine/nodeset"
	"cvsplay/inventory"
)

// A lastRun is what this controller remembers of the runs of one playbook, for --limit @failed. Hosts that a run was limited not to work on
// keep what the run before it left.
type lastRun struct {
	Playbook string    `json:"playbook"` // absolute path
	Run      string    `json:"run"`      // id
	Time     time.Time `json:"time"`     // of its end
	Failed   []string  `json:"failed"`   // hosts that did not end well, or were not reached
}

const (
	lastRunsMost   = 200     // playbooks that are remembered, those that ran last
	lastFailedMost = 100_000 // hosts of one
)

// lastRunFile is where the runs of a playbook are remembered, and the playbook's path as it is remembered.
func (a *app) lastRunFile(playbook string) (file, path string, err error) {
	state, err := a.stateFolder()
	if err != nil {
		return "", "", err
	}
	if path, err = filepath.Abs(playbook); err != nil {
		return "", "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(state, "last", hex.EncodeToString(sum[:12])+".json"), path, nil
}

// readLastRun gives nil where there is none.
func readLastRun(file string) (*lastRun, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var last lastRun
	if err := json.Unmarshal(text, &last); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", file, err)
	}
	return &last, nil
}

// write puts the record in the place of the one that is there: whoever reads sees the one or the other.
func (r lastRun) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	fresh, err := os.CreateTemp(dir, ".new-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = fresh.Write(append(text, '\n'))
	err = errors.Join(err, fresh.Sync(), fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), file)
	}
	if err != nil {
		_ = os.Remove(fresh.Name())
		return err
	}
	return forgetOldest(dir, lastRunsMost)
}

// forgetOldest keeps the newest files of a folder.
func forgetOldest(dir string, most int) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= most {
		return err
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // else it is gone already
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	var errs []error
	for _, info := range files[min(most, len(files)):] {
		errs = append(errs, os.Remove(filepath.Join(dir, info.Name())))
	}
	return errors.Join(errs...)
}

// failedHosts gives the hosts of @failed: those that did not end well in the last run of the playbook. What it says names the way out.
func (a *app) failedHosts(playbook string, inv *inventory.Inventory) func() ([]string, error) {
	return func() ([]string, error) {
		file, path, err := a.lastRunFile(playbook)
		if err != nil {
			return nil, fmt.Errorf("@failed: %w", err)
		}
		last, err := readLastRun(file)
		switch {
		case err != nil:
			return nil, fmt.Errorf("@failed: what is known of the last run cannot be read: %w", err)
		case last == nil:
			return nil, fmt.Errorf("@failed: this controller knows of no run of %s; run it without @failed first", path)
		}
		at := last.Time.Local().Format("2006-01-02 15:04:05")
		if len(last.Failed) == 0 {
			return nil, fmt.Errorf("@failed matches nothing: the last run of %s, at %s, ended well on all hosts", path, at)
		}
		if !slices.ContainsFunc(last.Failed, func(name string) bool { _, ok := inv.Host(name); return ok }) {
			return nil, fmt.Errorf("@failed matches nothing: the hosts that did not end well in the last run of %s, at %s, are not in this inventory: %s",
				path, at, nodeset.Fold(last.Failed[:min(len(last.Failed), 1000)]))
		}
		return last.Failed, nil
	}
}

// A lastRunWatch finds out which hosts of a run did not end well.
type lastRunWatch struct {
	file, path string
	limited    bool                // the hosts outside of the limit keep what is known of them
	named      map[string][]string // by play, the hosts that it is for, as far as they are known before the run

	mu    sync.Mutex // the third Ctrl-C may come at any time
	run   string
	order map[string]int     // of the inventory's hosts
	ended map[string]hostEnd // of the hosts that plays named
}

// A hostEnd is how a host ended.
type hostEnd int

const (
	notEnded hostEnd = iota
	endedWell
	endedBadly
)

// watchLastRun makes the watch of a run; nil where nothing is remembered: of check mode, of commands by themselves, and where there is no place for it.
func (a *app) watchLastRun(l *loaded, f runFlags, hosts []string) *lastRunWatch {
	if f.check || f.adHoc {
		return nil
	}
	file, path, err := a.lastRunFile(l.playbook.Path)
	if err != nil {
		return nil
	}
	w := &lastRunWatch{file: file, path: path, limited: f.limit != "", named: map[string][]string{}, ended: map[string]hostEnd{}}
	for _, play := range l.plan.Plays {
		names, _ := l.plan.HostsOf(play)
		if w.limited {
			names = both(names, hosts)
		}
		w.named[play.Name] = names
	}
	return w
}

// Handle looks at one event.
func (w *lastRunWatch) Handle(e event.Event) {
	switch e.Kind {
	case event.RunStarted, event.PlayStarted, event.HostDone, event.CleanupDone:
	default:
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case event.RunStarted:
		w.run = e.Run
		w.order = make(map[string]int, len(e.Hosts))
		for i, name := range e.Hosts {
			w.order[name] = i
		}
	case event.PlayStarted:
		delete(w.named, e.Play)
		for _, name := range e.Hosts {
			w.begin(name)
		}
	case event.HostDone:
		w.end(e.Host, e.Status.Bad() || e.Status == event.Cancelled)
	case event.CleanupDone:
		w.end(e.Host, e.Status.Bad())
	}
}

func (w *lastRunWatch) begin(host string) {
	if w.ended[host] != endedBadly {
		w.ended[host] = notEnded
	}
}

func (w *lastRunWatch) end(host string, badly bool) {
	switch {
	case badly:
		w.ended[host] = endedBadly
	case w.ended[host] == notEnded:
		w.ended[host] = endedWell
	}
}

// save remembers the run as far as it has come: hosts that are not done did not end well, and plays that have not begun did not reach theirs.
func (w *lastRunWatch) save() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, names := range w.named {
		for _, name := range names {
			w.begin(name)
		}
	}
	last := lastRun{Playbook: w.path, Run: w.run, Time: time.Now().UTC(), Failed: []string{}}
	for name, how := range w.ended {
		if how != endedWell {
			last.Failed = append(last.Failed, name)
		}
	}
	slices.SortFunc(last.Failed, func(a, b string) int { return cmp.Or(cmp.Compare(w.order[a], w.order[b]), cmp.Compare(a, b)) })
	last.Failed = append(last.Failed, w.kept()...)
	last.Failed = last.Failed[:min(len(last.Failed), lastFailedMost)]
	return last.write(w.file)
}

// kept are the hosts that did not end well earlier, and that this run was limited not to work on. A record that cannot be read holds none.
func (w *lastRunWatch) kept() []string {
	if !w.limited {
		return nil
	}
	before, err := readLastRun(w.file)
	if err != nil || before == nil {
		return nil
	}
	return slices.DeleteFunc(before.Failed, func(name string) bool { _, mine := w.ended[name]; return mine })
}

// sinks are the watch, where there is one.
func (w *lastRunWatch) sinks() []event.Sink {
	if w == nil {
		return nil
	}
	return []event.Sink{w}
}
