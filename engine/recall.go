package engine

import (
	"fmt"

	"cvsplay/engine/event"
)

// recall answers a Recall question.
func (r *run) recall(q Recall) Answer {
	none := Answer{State: Given, Code: 1}
	if r.opts.Memory == nil {
		return none
	}
	value, ok, err := r.opts.Memory.Recall(q.Key)
	if err != nil {
		r.forgets("what earlier runs left cannot be read", err)
	}
	if !ok {
		return none
	}
	return Answer{State: Given, Stdout: Output{Bytes: []byte(value), Size: int64(len(value))}}
}

// remember keeps what a step that ended well leaves for later runs.
func (p *playRun) remember(t *turn) {
	r, v := p.run, t.verdict
	if r.opts.Memory == nil || r.opts.Check || len(v.remember) == 0 || v.status != event.OK && v.status != event.Changed {
		return
	}
	values := map[string]string{}
	for key, value := range v.remember {
		if r.guard.Redact(key) == key && r.guard.Redact(value) == value {
			values[key] = value
		}
	}
	if len(values) == 0 {
		return
	}
	if err := r.opts.Memory.Remember(values); err != nil {
		r.forgets("what this run did cannot be kept for later ones", err)
	}
}

// forgets warns, once in a run, that the memory is of no use.
func (r *run) forgets(what string, err error) {
	r.forgot.Do(func() { r.emit(event.Event{Kind: event.Warning, Message: fmt.Sprintf("%s: %v", what, err)}) })
}
