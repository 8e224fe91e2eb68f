// Package eval gives expressions their values: functions, scopes, references. It knows about unknown values (check mode: only
// a change would tell) and sensitive ones (marked, and never printed).
package eval

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// sensitiveMark is the mark of a sensitive value.
type mark string

// Sensitive is the mark that sensitive values carry.
const Sensitive = mark("sensitive")

// Hidden stands in texts where a sensitive value would.
const Hidden = "(sensitive)"

func errorAt(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at}
}
