package modules

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func init() { register(engine.PerHost(containerAbsentSchema, decideContainerAbsent)) }

// containerAbsentArgs are the arguments of one container_absent step.
type containerAbsentArgs struct {
	Name    string `arg:"name"`
	Runtime string `arg:"runtime"`
	Adopt   bool   `arg:"adopt"`
	Run     string `arg:"run"`
}

var containerAbsentSchema = engine.Module{
	Name:    "container_absent",
	Summary: "Remove a container, and see that it is gone.",
	Doc: `Removes the container of exactly this name, running or not, with its anonymous volumes; named volumes and images stay. It is ` + "`ok`" + ` where there is
none. Afterwards it looks again: a container that is still there fails the step.

A container that was not launched by cvsplay is refused, unless ` + "`adopt = true`" + `. With ` + "`run`" + ` only a container that was launched in the run of that id is
removed; one of another run is left alone, and that is ` + "`ok`" + `.

A runtime that is not installed, or does not answer, fails the step: whether the container is there is not known then.`,
	Example: `step "container_absent" "no_box" {
  name = "cvs_rvs"
}
`,
	Args: []engine.Arg{
		{Name: "name", Type: cty.String, Required: true, Visible: true, Valid: validAnyContainerName, Doc: "Exact name of the container."},
		{Name: "runtime", Type: cty.String, Default: engine.AutoRuntime, Values: engine.RuntimeNames(),
			Doc: engine.RuntimeDoc()},
		{Name: "adopt", Type: cty.Bool, Default: false, Doc: "Remove it even if cvsplay did not launch it."},
		{Name: "run", Type: cty.String, Doc: "Remove it only if it was launched in the run of this id."},
	},
	Results: []engine.Result{
		{Name: "name", Type: cty.String, Doc: "The name.", Repeats: "name"},
		{Name: "removed", Type: cty.Bool, Doc: "Whether this step removed a container."},
	},
}

func validAnyContainerName(v cty.Value) error {
	if !containerNameRule.MatchString(v.AsString()) {
		return fmt.Errorf("not a container name (letters, digits, _ . -, at least two of them, the first a letter or digit)")
	}
	return nil
}

const changeRemove = "remove container"

// Ask asks for the container alone.
func (a containerAbsentArgs) Ask() []engine.Question {
	return []engine.Question{containerQuestion(a.Runtime, []string{a.Name}, nil, nil)}
}

func decideContainerAbsent(a containerAbsentArgs, seen engine.Seen) engine.Decision {
	if len(seen.Answers) == 0 {
		return engine.Stop{State: engine.Failed, Why: "nobody answered"}
	}
	facts, err := readContainerFacts(seen.Answers[0])
	if err == nil && facts.Down != "" {
		err = fmt.Errorf("the container runtime does not answer: %s", facts.Down)
	}
	if err != nil {
		return engine.Stop{State: engine.Failed, Why: fmt.Sprintf("whether container %s is there is not known: %s", a.Name, err)}
	}
	c := facts.container(a.Name)
	switch {
	case c == nil:
		return engine.Done{Results: engine.Values{"name": a.Name, "removed": len(seen.Past) > 0}}
	case a.Run != "" && c.run() != a.Run:
		return engine.Done{Results: engine.Values{"name": a.Name, "removed": false}}
	case !c.ours() && !a.Adopt:
		return engine.Stop{State: engine.Refused, Why: fmt.Sprintf(
			"container %s (%s) was not launched by cvsplay: it is not removed\n  adopt = true removes it all the same", a.Name, shortID(c.ID))}
	}
	gone := facts
	gone.Containers = nil
	return engine.Act{
		Changes: []engine.Change{{
			What: changeRemove, Have: c.State.Status, Want: "absent", Again: true,
			Do:   []engine.Action{removeContainer(a.Runtime, "", c.ID)},
			Then: []engine.Answer{gone.answer()},
		}},
		Results: engine.Values{"name": a.Name, "removed": true},
	}
}

// answer writes facts as the runtime's question would answer them; containers and images are left out.
func (f containerFacts) answer() engine.Answer {
	text := fmt.Sprintf("runtime %s\narch %s\n\nend\n", f.Runtime, f.Arch)
	return engine.Answer{State: engine.Given, Stdout: engine.Output{Bytes: []byte(text), Size: int64(len(text))}}
}

func (c containerInspect) ours() bool  { return c.Config.Labels[labelOwner] == ownerName }
func (c containerInspect) run() string { return c.Config.Labels[labelRun] }
