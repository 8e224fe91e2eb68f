package shell

import (
	"context"
	"fmt"
	"time"

	"cvsplay/engine/remote"
)

// A killer ends process trees from a session of its own: closing a session kills nothing.
type killer struct {
	session *session
	grace   time.Duration // between TERM and KILL
}

const (
	killPoll   = 100 * time.Millisecond // between two looks at the host
	killRounds = 20                     // looks after KILL before what lives is called a survivor
	askLimit   = 20 * time.Second       // for one look
)

// kill ends a tree and returns who survived. The shell goes first, so that it starts nothing more.
func (k *killer) kill(ctx context.Context, t *tree) ([]string, error) {
	procs, err := k.look(ctx, "")
	if err != nil {
		return nil, err
	}
	t.killer = k.session.pid
	members := t.living(procs)
	if len(members) == 0 {
		return nil, nil
	}
	if members, err = k.signal(ctx, t, members, t.terminate(members)); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(k.grace); len(members) > 0 && time.Now().Before(deadline); {
		members, err = k.again(ctx, t)
		if err != nil {
			return nil, err
		}
	}
	for round := 0; len(members) > 0 && round < killRounds; round++ {
		if _, err = k.signal(ctx, t, members, `kill -s KILL "$@"`); err != nil {
			return nil, err
		}
		if members, err = k.again(ctx, t); err != nil {
			return nil, err
		}
	}
	return names(members), nil
}

// terminate asks the members to end; a stopped one has to be woken for that. The shell itself is not asked.
func (t *tree) terminate(members []process) string {
	script := `kill -s TERM "$@"; kill -s CONT "$@"`
	for _, p := range members {
		if p.pid == t.shell {
			return fmt.Sprintf("kill -s KILL %d; %s", p.pid, script)
		}
	}
	return script
}

// again waits a moment and looks who lives.
func (k *killer) again(ctx context.Context, t *tree) ([]process, error) {
	select {
	case <-time.After(killPoll):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	procs, err := k.look(ctx, "")
	if err != nil {
		return nil, err
	}
	return t.living(procs), nil
}

// signal runs a script on the members and returns who lives after it.
func (k *killer) signal(ctx context.Context, t *tree, members []process, script string) ([]process, error) {
	procs, err := k.look(ctx, "{ "+script+"; } 2>/dev/null", pids(members)...)
	if err != nil {
		return nil, err
	}
	return t.living(procs), nil
}

// look runs a script and takes a snapshot.
func (k *killer) look(ctx context.Context, before string, args ...string) (snapshot, error) {
	script := &remote.Script{Text: before + "\n" + snapshotScript, Args: args, Keep: 64 << 20, Limit: askLimit}
	exit := &remote.Exit{}
	p := k.session.program([]*job{newJob(script, exit)})
	p.start()
	if end := p.follow(ctx, askLimit); end != whole {
		p.release()
		return nil, fmt.Errorf("the host's processes cannot be seen: %s", p.why(ctx, end))
	}
	<-p.wrote
	return parseSnapshot(exit.Stdout.Bytes), nil
}
