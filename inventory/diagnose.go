package inventory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/nodeset"
)

// problem is an error at a place of the source.
func problem(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...)}
	if at.Filename != "" {
		d.Subject = &at
	}
	return d
}

// place is a position as messages name it.
func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d,%d", r.Filename, r.Start.Line, r.Start.Column)
}

// A verdict collects diagnostics. One that many hosts share is kept once, and names them in its last line.
type verdict struct {
	diags  hcl.Diagnostics
	shared map[sharedKey]*sharedDiag
}

type sharedKey struct {
	summary string
	at      hcl.Range
}

type sharedDiag struct {
	diag  *hcl.Diagnostic
	hosts []string
}

func (v *verdict) add(diags ...*hcl.Diagnostic) {
	for _, d := range diags {
		advise(d)
	}
	v.diags = append(v.diags, diags...)
}

// addFor adds what is wrong with one host.
func (v *verdict) addFor(host string, diags ...*hcl.Diagnostic) {
	for _, d := range diags {
		key := sharedKey{summary: d.Summary}
		if d.Subject != nil {
			key.at = *d.Subject
		}
		first, ok := v.shared[key]
		if !ok {
			if v.shared == nil {
				v.shared = map[sharedKey]*sharedDiag{}
			}
			first = &sharedDiag{diag: d}
			v.shared[key] = first
			v.diags = append(v.diags, d)
		}
		if !slices.Contains(first.hosts[max(0, len(first.hosts)-1):], host) {
			first.hosts = append(first.hosts, host)
		}
	}
}

// result is everything that was collected.
func (v *verdict) result() hcl.Diagnostics {
	for _, s := range v.shared {
		if len(s.hosts) == 1 {
			if !strings.Contains(s.diag.Detail, fmt.Sprintf("%q", s.hosts[0])) {
				s.diag.Detail += fmt.Sprintf("\nThis is so for host %q.", s.hosts[0])
			}
			continue
		}
		s.diag.Detail += fmt.Sprintf("\nThis is so for %d hosts: %s.", len(s.hosts), nodeset.Fold(s.hosts))
	}
	v.shared = nil
	return v.diags
}
