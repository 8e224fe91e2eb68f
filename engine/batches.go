package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/event"
)

// A batchSize is how many hosts go through a play together: a number, or a share of all the play's hosts.
type batchSize struct {
	count int
	share float64 // of 1; used where part is true
	part  bool
}

// of gives the number of hosts of a batch, of n; at least one.
func (b batchSize) of(n int) int {
	if b.part {
		return max(1, int(b.share*float64(n)+1e-9))
	}
	return b.count
}

// parseNumber reads a number. strconv takes some words for numbers, too.
func parseNumber(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		err = fmt.Errorf("%q is no number", text)
	}
	return f, err
}

func parseBatchSize(v cty.Value) (batchSize, error) {
	bad := fmt.Errorf("batch takes a number of hosts such as 10, a share of them such as \"20%%\", or a list of these")
	switch {
	case v.IsNull():
	case v.Type() == cty.Number:
		if f, _ := v.AsBigFloat().Float64(); f >= 1 && f <= math.MaxInt32 && f == math.Trunc(f) {
			return batchSize{count: int(f)}, nil
		}
		return batchSize{}, fmt.Errorf("a batch has at least one host, and whole ones")
	case v.Type() == cty.String:
		text, isShare := strings.CutSuffix(v.AsString(), "%")
		f, err := parseNumber(text)
		switch {
		case err != nil:
		case isShare && f > 0 && f <= 100:
			return batchSize{part: true, share: f / 100}, nil
		case isShare:
			return batchSize{}, fmt.Errorf("%q is no share of the hosts: it has to be above 0%% and at most 100%%", v.AsString())
		default:
			return parseBatchSize(cty.NumberFloatVal(f))
		}
	}
	return batchSize{}, bad
}

// bindBatches reads a play's batch.
func (p *Plan) bindBatches(w where, play *Play) hcl.Diagnostics {
	e := p.expr(play.decl.Batch, play.in(nil))
	v, diags := p.staticValue(w, e, cty.DynamicPseudoType)
	if diags.HasErrors() || v.IsNull() {
		return diags
	}
	sizes := []cty.Value{v}
	if t := v.Type(); t.IsTupleType() || t.IsListType() {
		sizes = v.AsValueSlice()
	}
	wrong := func(err error) hcl.Diagnostics {
		return append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid batch", Detail: upper(err.Error()) + ".", Subject: e.Range().Ptr()})
	}
	if len(sizes) == 0 {
		return wrong(fmt.Errorf("the list of batches is empty; leave batch out to have all hosts go through the play at once"))
	}
	for _, size := range sizes {
		b, err := parseBatchSize(size)
		if err != nil {
			return wrong(err)
		}
		play.batches = append(play.batches, b)
	}
	return diags
}

// split gives the hosts of each batch; the last size repeats.
func split[T any](hosts []T, sizes []batchSize) [][]T {
	if len(sizes) == 0 {
		return [][]T{hosts}
	}
	var out [][]T
	for left, i := hosts, 0; len(left) > 0; i++ {
		n := min(len(left), sizes[min(i, len(sizes)-1)].of(len(hosts)))
		out, left = append(out, left[:n]), left[n:]
	}
	return out
}

// inBatches has the hosts go through the play, one batch after the other; false: it was stopped.
func (r *run) inBatches(ctx context.Context, play *Play, nodes []*node, gone []string) bool {
	begun := r.opts.Now()
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.host.Name
	}
	r.emit(event.Event{Kind: event.PlayStarted, Play: play.Name, Message: play.Description, Hosts: names, Steps: play.infos()})
	once, stopped := map[*Step][]*turn{}, ""
	for i, batch := range split(nodes, play.batches) {
		p := &playRun{run: r, plan: play, gone: gone, once: once}
		for _, n := range batch {
			p.members = append(p.members, newMember(n, p))
		}
		if play.batches != nil {
			p.batch = i + 1
		}
		if stopped != "" {
			p.leaveOut(stopped)
		} else {
			p.do(ctx)
			stopped = p.stopped
		}
		r.keep(p)
	}
	r.emit(event.Event{Kind: event.PlayDone, Play: play.Name, Seconds: r.opts.Now().Sub(begun).Seconds()})
	return stopped == ""
}

// leaveOut ends a batch that does not begin, because the play was stopped.
func (p *playRun) leaveOut(why string) {
	for _, m := range p.members {
		m.out, m.status, m.message = true, event.Cancelled, "its batch did not begin: "+why
		p.hostDone(m)
	}
}

// keep notes what the hosts of a play left.
func (r *run) keep(p *playRun) {
	if !p.plan.read {
		return
	}
	if r.over == nil {
		r.over = map[*Play]map[string]cty.Value{}
	}
	if r.over[p.plan] == nil {
		r.over[p.plan] = map[string]cty.Value{}
	}
	for _, m := range p.members {
		r.over[p.plan][m.node.host.Name] = m.summary(len(p.plan.Steps))
	}
}
