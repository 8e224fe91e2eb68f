package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// definedArgs are the arguments of one step of a defined module.
type definedArgs struct {
	scope definedScope // with arg
	probe Shell
	codes []int // of the probe that are no failure
}

func (a definedArgs) Ask() []Question { return []Question{a.probe} }

// decode makes arguments of known values. Sensitive ones keep their mark: expressions are made of them.
func (d *definition) decode(_ *archiveReading, _ []Arg, given map[string]cty.Value) (Args, error) {
	a := definedArgs{scope: definedScope{d.scope, d.locals}.with("arg", d.given(given)), codes: []int{0}}
	var err error
	if a.probe, err = d.probe.shell(a.scope); err != nil {
		return nil, err
	}
	a.probe.AnyCode = true
	if a.probe.Limit == 0 {
		a.probe.Limit = questionLimit
	}
	if d.codes == nil {
		return a, nil
	}
	list, err := valueIn(a.scope, d.codes, cty.List(cty.Number))
	if err != nil {
		return nil, err
	}
	a.codes = nil
	for _, code := range list.AsValueSlice() {
		if code.IsNull() {
			return nil, errors.New("ok_codes: no code may be null")
		}
		n, _ := code.AsBigFloat().Int64()
		a.codes = append(a.codes, int(n))
	}
	return a, nil
}

// valueIn evaluates an expression that may not be null. The value has no marks.
func valueIn(scope definedScope, e hcl.Expression, want cty.Type) (cty.Value, error) {
	v, diags := scope.Convert(e, want)
	if diags.HasErrors() {
		return cty.NullVal(want), diagError{diags}
	}
	v, _ = v.UnmarkDeep()
	if v.IsNull() {
		return v, fmt.Errorf("%s:%d: this is null, and needs a value", e.Range().Filename, e.Range().Start.Line)
	}
	return v, nil
}

// shell is the script with what it is given.
func (s definedScript) shell(scope definedScope) (Shell, error) {
	text, err := valueIn(scope, s.Script, cty.String)
	if err != nil {
		return Shell{}, err
	}
	sh := Shell{Foreign: true, Text: text.AsString()}
	if err := validScript(text); err != nil {
		return sh, fmt.Errorf("%s: %w", s.what, err)
	}
	if s.Args != nil {
		v, diags := scope.Convert(s.Args, cty.List(cty.String))
		if diags.HasErrors() {
			return sh, diagError{diags}
		}
		if err := validWords(v); err != nil {
			return sh, fmt.Errorf("%s: %w", s.what, err)
		}
		for _, word := range v.AsValueSlice() {
			sh.Args = append(sh.Args, word.AsString())
		}
	}
	if s.Env != nil {
		v, diags := scope.Convert(s.Env, cty.DynamicPseudoType)
		if diags.HasErrors() {
			return sh, diagError{diags}
		}
		vars, err := variablesIn(withoutNulls(v))
		if err != nil {
			return sh, fmt.Errorf("%s: %w", s.what, err)
		}
		sh.Env = map[string]string{}
		for _, e := range vars {
			sh.Env[e.Name] = e.Value
		}
	}
	return s.bounded(scope, sh)
}

// bounded adds what the script reads, and how long it may take.
func (s definedScript) bounded(scope definedScope, sh Shell) (Shell, error) {
	if s.Stdin != nil {
		v, diags := scope.Convert(s.Stdin, cty.String)
		if diags.HasErrors() {
			return sh, diagError{diags}
		}
		if v, _ = v.Unmark(); !v.IsNull() {
			sh.Stdin = []byte(v.AsString())
		}
	}
	if s.Timeout == nil {
		return sh, nil
	}
	v, diags := scope.Convert(s.Timeout, cty.String)
	if diags.HasErrors() {
		return sh, diagError{diags}
	}
	limit, err := durationIn(v)
	if err != nil {
		return sh, fmt.Errorf("%s: %w", s.what, err)
	}
	sh.Limit = limit
	return sh, nil
}

// withoutNulls leaves the variables out that are null: they are not set.
func withoutNulls(v cty.Value) cty.Value {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() && !v.Type().IsMapType() {
		return v
	}
	vars := v.AsValueMap()
	maps.DeleteFunc(vars, func(_ string, v cty.Value) bool { return v.IsNull() })
	return objectOrEmpty(vars)
}

func validScript(v cty.Value) error {
	v, _ = v.Unmark()
	switch {
	case v.IsNull() || strings.TrimSpace(v.AsString()) == "":
		return errors.New("the script is empty")
	case strings.IndexByte(v.AsString(), 0) >= 0:
		return errors.New("the script holds a NUL byte")
	}
	return nil
}

// validWords finds what is wrong with the words of a command line, as far as they are known.
func validWords(v cty.Value) error {
	if v.ContainsMarked() {
		return errors.New("args: a sensitive value would show in the host's process list; hand it over by stdin or env")
	}
	if v.IsNull() {
		return errors.New("args are null; for none write []")
	}
	for _, word := range v.AsValueSlice() {
		switch {
		case !word.IsKnown():
		case word.IsNull():
			return errors.New("args: no word may be null")
		case strings.IndexByte(word.AsString(), 0) >= 0:
			return errors.New("args: a word holds a NUL byte, which no program on the host could be given")
		}
	}
	return nil
}

// complaints finds what is wrong with a step's arguments: what their validations say, and what the scripts cannot be made of.
func (d *definition) complaints(in Inputs) []Complaint {
	values := map[string]cty.Value{}
	for _, a := range d.args {
		values[a.name] = in[a.name]
	}
	scope := definedScope{d.scope, d.locals}.with("arg", d.given(values))
	var out []Complaint
	for _, a := range d.args {
		for _, v := range a.validations {
			if say := violated(scope, v); say != "" {
				out = append(out, Complaint{Arg: a.name, Say: say})
			}
		}
	}
	if out != nil {
		return out
	}
	scope = scope.with("probe", unknownProbe)
	for _, s := range d.scripts() {
		if err := s.feasible(scope); err != nil {
			return []Complaint{{Say: err.Error()}}
		}
	}
	return nil
}

func (d *definition) scripts() []definedScript {
	out := []definedScript{d.probe}
	for _, c := range d.changes {
		out = append(out, c.definedScript)
	}
	return out
}

// violated is what a validation says against an argument; "": nothing.
func violated(scope definedScope, v *config.Validation) string {
	ok, diags := scope.Convert(v.Condition, cty.Bool)
	if diags.HasErrors() {
		return diagError{diags}.Error()
	}
	ok, _ = ok.Unmark()
	if !ok.IsKnown() || !ok.IsNull() && ok.True() {
		return ""
	}
	message, diags := scope.Convert(v.ErrorMessage, cty.String)
	if diags.HasErrors() || !message.IsKnown() || message.IsNull() || message.IsMarked() {
		return "is not valid"
	}
	return message.AsString()
}

// feasible tells why a script cannot be made of what is known.
func (s definedScript) feasible(scope definedScope) error {
	for _, of := range s.fields() {
		if of.e == nil {
			continue
		}
		v, diags := scope.Convert(of.e, of.want)
		if diags.HasErrors() {
			return diagError{diags}
		}
		if of.valid == nil || !v.IsKnown() {
			continue
		}
		if err := of.valid(v); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

func (d *definition) decideEach(all []On[Args]) []Decision {
	out := make([]Decision, len(all))
	for i, on := range all {
		if a, ok := on.Args.(definedArgs); ok {
			out[i] = d.decide(a, on.Seen)
		}
	}
	return out
}

func (d *definition) decide(a definedArgs, seen Seen) Decision {
	answer := seen.Answers[0]
	if why := a.unsound(answer); why != "" {
		return Stop{State: Failed, Why: "probe: " + why}
	}
	scope := a.scope.with("probe", cty.ObjectVal(map[string]cty.Value{
		"rc": cty.NumberIntVal(int64(answer.Code)), "stdout": cty.StringVal(answer.Stdout.String()), "stderr": cty.StringVal(answer.Stderr.String()),
	}))
	if stop := d.refusal(scope); stop != nil {
		return *stop
	}
	changes, err := d.needed(scope)
	if err != nil {
		return Stop{State: Failed, Why: err.Error()}
	}
	if len(changes) == 0 {
		results, err := d.left(scope)
		if err != nil {
			return Stop{State: Failed, Why: err.Error()}
		}
		return Done{Results: results}
	}
	if name := unforeseen(changes, seen.Past); name != "" {
		return Stop{State: Failed, Why: fmt.Sprintf("did not converge: %q is needed only since the other changes were made, so that check mode could not tell of it; "+
			"its when has to be true from the beginning", name)}
	}
	known, err := d.left(a.scope.with("probe", unknownProbe))
	if err != nil {
		known = nil // only the probe's real output is sure to be of the right form
	}
	return Act{Changes: changes, Results: known}
}

// unsound tells why nothing may be concluded from what the probe said: what is unknown is not absent.
func (a definedArgs) unsound(answer Answer) string {
	switch {
	case !slices.Contains(a.codes, answer.Code):
		return exitWords(answer)
	case answer.Stdout.Size > int64(len(answer.Stdout.Bytes)) || answer.Stderr.Size > int64(len(answer.Stderr.Bytes)):
		return fmt.Sprintf("it wrote more than %d bytes", defaultKeep)
	}
	return ""
}

// refusal is what the first refuse block says whose condition is true.
func (d *definition) refusal(scope definedScope) *Stop {
	for _, r := range d.refusals {
		is, err := valueIn(scope, r.When, cty.Bool)
		if err != nil {
			return &Stop{State: Failed, Why: err.Error()}
		}
		if is.False() {
			continue
		}
		why, err := wordsOf(scope, r.ErrorMessage)
		switch {
		case err != nil:
			why = "refused (error_message: " + err.Error() + ")"
		case why == "":
			why = "refused without a message"
		}
		return &Stop{State: Refused, Why: why}
	}
	return nil
}

// needed are the changes that the probe calls for.
func (d *definition) needed(scope definedScope) ([]Change, error) {
	var out []Change
	for _, c := range d.changes {
		is, err := valueIn(scope, c.when, cty.Bool)
		if err != nil {
			return nil, err
		}
		if is.False() {
			continue
		}
		sh, err := c.shell(scope)
		if err != nil {
			return nil, err
		}
		change := Change{What: c.name, Do: []Action{sh}, Again: true} // the probe tells whether it is needed still
		if change.Have, err = wordsOf(scope, c.have); err != nil {
			return nil, err
		}
		if change.Want, err = wordsOf(scope, c.want); err != nil {
			return nil, err
		}
		out = append(out, change)
	}
	return out, nil
}

// unforeseen names a change that is needed for the first time behind others that went well.
func unforeseen(changes []Change, past []Outcome) string {
	if len(past) == 0 || slices.ContainsFunc(past, func(o Outcome) bool { return !o.OK }) {
		return ""
	}
	for _, c := range changes {
		if !slices.ContainsFunc(past, func(o Outcome) bool { return o.What == c.What }) {
			return c.What
		}
	}
	return ""
}

// wordsOf evaluates a text for people; what is not written, or null, is empty.
func wordsOf(scope definedScope, e hcl.Expression) (string, error) {
	if e == nil {
		return "", nil
	}
	v, diags := scope.Convert(e, cty.String)
	switch {
	case diags.HasErrors():
		return "", diagError{diags}
	case v.IsMarked():
		return eval.Hidden, nil
	case v.IsNull():
		return "", nil
	}
	return strings.TrimSpace(v.AsString()), nil
}

// left are the results, as far as they are known.
func (d *definition) left(scope definedScope) (Values, error) {
	out := Values{}
	for _, r := range d.results {
		v, diags := scope.Convert(r.value, r.Type)
		if diags.HasErrors() {
			return nil, fmt.Errorf("result %q: %w", r.Name, diagError{diags})
		}
		switch {
		case !v.IsWhollyKnown():
		case v.Type() == cty.String && !v.IsMarked() && !v.IsNull():
			out[r.Name] = v.AsString()
		default:
			out[r.Name] = v
		}
	}
	return out, nil
}
