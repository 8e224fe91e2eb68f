package engine

import "cvsplay/engine/eval"

// bindReaders notes which steps and plays some expression reads the results of: those of the others need not be kept.
func (p *Plan) bindReaders() {
	for _, play := range p.Plays {
		for _, r := range play.Hosts.refs {
			p.noteReader(play, r)
		}
		for _, s := range play.Steps {
			for _, r := range s.refs() {
				p.noteReader(play, r)
			}
			s.read = s.read || s.changedWhen.given() || s.failWhen.given() || s.retry.until.given() || s.postconditions != nil
		}
	}
	for _, o := range p.Outputs {
		for _, r := range o.Value.refs {
			p.noteReader(nil, r)
		}
	}
}

// noteReader notes what a reference reads that stands in a play; nil: outside of all.
func (p *Plan) noteReader(in *Play, r eval.Reference) {
	switch r.Root {
	case "step":
		in.noteRead(r.Path)
	case "hosts": // hosts[HOST].step.NAME, or more than that
		if len(r.Path) < 2 || r.Path[1] == eval.AnyKey {
			in.noteRead(nil)
		} else if r.Path[1] == "step" {
			in.noteRead(r.Path[2:])
		}
	case "play":
		for _, play := range p.Plays {
			if len(r.Path) == 0 || r.Path[0] == eval.AnyKey || r.Path[0] == play.Name {
				play.read = true
				play.noteRead(nil)
			}
		}
	}
}

// noteRead notes that the step is read that a path begins with, or all of them.
func (p *Play) noteRead(path []string) {
	if p == nil {
		return
	}
	for _, s := range p.Steps {
		s.read = s.read || len(path) == 0 || path[0] == eval.AnyKey || path[0] == s.Name
	}
}
