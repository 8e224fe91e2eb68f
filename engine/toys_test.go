package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// toys are modules small enough that what the engine does with them is all there is to see.
func toys() Modules {
	return NewModules(valueModule(), runModule(), boxModule(), everywhereModule(), bytesModule(), oddModule(), pairModule(), tempModule(), goneModule(), surveyModule())
}

func ask(key string) Question             { return Shell{Text: "get " + key} }
func do(format string, a ...any) []Action { return []Action{Shell{Text: fmt.Sprintf(format, a...)}} }

func said(value string) Answer {
	return Answer{State: Given, Stdout: Output{Bytes: []byte(value), Size: int64(len(value))}}
}

func failedIn(past []Outcome) (Stop, bool) {
	for _, o := range past {
		if !o.OK && !wasLost(o) {
			return Stop{State: Failed, Why: o.What + ": " + o.Why}, true
		}
	}
	return Stop{}, false
}

// value declares that a key has a value.
type valueArgs struct {
	Key     string        `arg:"key"`
	Value   string        `arg:"value"`
	By      string        `arg:"by"` // another command that is to bring it about
	Then    bool          `arg:"then"`
	Again   bool          `arg:"again"`
	Warn    string        `arg:"warn"`
	Token   string        `arg:"token"`
	Label   string        `arg:"label"`
	Mode    string        `arg:"mode"`
	Pattern string        `arg:"pattern"`
	Wait    time.Duration `arg:"wait"`
	State   string        `arg:"state"`
	Size    int           `arg:"size"`
	Path    string        `arg:"path"`
	Words   []string      `arg:"words"`
	Part    *partArgs     `arg:"part"`
	Pieces  []partArgs    `arg:"piece"` // of the value, behind value itself
}

type partArgs struct {
	Name string `arg:"name"`
}

func (a valueArgs) Ask() []Question { return []Question{ask(a.Key)} }

func (a valueArgs) wanted() string {
	value := a.Value
	for _, p := range a.Pieces {
		value += "+" + p.Name
	}
	return value
}

func valueModule() Module {
	return PerHost(Module{
		Name: "value", Summary: "Declare a value.",
		Args: []Arg{
			{Name: "key", Type: cty.String, Required: true}, {Name: "value", Type: cty.String, Required: true},
			{Name: "by", Type: cty.String}, {Name: "then", Type: cty.Bool, Default: true}, {Name: "again", Type: cty.Bool, Default: false},
			{Name: "warn", Type: cty.String},
			{Name: "token", Type: cty.String, Secret: true}, {Name: "label", Type: cty.String, Visible: true},
			{Name: "mode", Type: cty.String, As: AsMode}, {Name: "pattern", Type: cty.String, As: AsRE2}, {Name: "wait", Type: cty.String, As: AsDuration},
			{Name: "state", Type: cty.String, Default: "present", Values: []string{"present", "absent"}},
			{Name: "size", Type: cty.Number, Default: 0}, {Name: "path", Type: cty.String, As: AsAbsPath},
			{Name: "words", Type: cty.List(cty.String)},
			{Name: "part", Block: []Arg{{Name: "name", Type: cty.String, Required: true}}},
			{Name: "piece", Many: true, Block: []Arg{{Name: "name", Type: cty.String, Required: true}}},
			{Name: "old", Type: cty.String, Gone: `is gone: use "value"`}, {Name: "later", Type: cty.String, Soon: true},
		},
		Results: []Result{
			{Name: "key", Type: cty.String, Repeats: "key"}, {Name: "value", Type: cty.String}, {Name: "before", Type: cty.String},
			{Name: "secret", Type: cty.String, Repeats: "token"},
		},
		Check: func(in Inputs) []Complaint {
			if in.String("key") == in.String("value") && in.String("key") != "" {
				return []Complaint{{Arg: "value", Say: "a value cannot be its own key"}}
			}
			return nil
		},
	}, decideValue)
}

func decideValue(a valueArgs, seen Seen) Decision {
	now := seen.Answers[0]
	if now.Code == 0 && now.Stdout.String() == a.wanted() {
		d := Done{Results: Values{"value": a.wanted()}}
		if len(seen.Past) == 0 {
			d.Results["before"] = a.wanted()
		}
		if a.Warn != "" {
			d.Warn = []string{a.Warn}
		}
		return d
	}
	c := Change{What: "set " + a.Key, Have: now.Stdout.String(), Want: a.wanted(), Do: do("set %s %s", a.Key, a.wanted()), Again: a.Again}
	if a.By != "" {
		c.Do = do("%s", a.By)
	}
	if a.Then {
		c.Then = []Answer{said(a.wanted())}
	}
	return Act{Changes: []Change{c}, Results: Values{"before": now.Stdout.String()}}
}

// run runs a command, unless its guard is there.
type runArgs struct {
	Command string `arg:"command"`
	Creates string `arg:"creates"`
	Reads   bool   `arg:"read_only"`
	Person  bool   `arg:"person"` // a person wrote the command
	Again   bool   `arg:"again"`
}

func (a runArgs) Ask() []Question {
	switch {
	case a.Reads:
		return []Question{Shell{Text: a.Command, Foreign: a.Person}}
	case a.Creates != "":
		return []Question{ask(a.Creates)}
	}
	return nil
}

func runModule() Module {
	return PerHost(Module{
		Name: "run", Summary: "Run a command.", Judged: true, Alongside: true,
		Args: []Arg{
			{Name: "command", Type: cty.String, Required: true}, {Name: "creates", Type: cty.String},
			{Name: "read_only", Type: cty.Bool, Default: false}, {Name: "person", Type: cty.Bool, Default: false}, {Name: "again", Type: cty.Bool, Default: false},
		},
		Results: []Result{{Name: "rc", Type: cty.Number}, {Name: "out", Type: cty.String}},
	}, decideRun)
}

func decideRun(a runArgs, seen Seen) Decision {
	results := func(answer Answer) Values {
		return Values{"rc": answer.Code, "out": strings.TrimSpace(answer.Stdout.String())}
	}
	if a.Reads {
		if got := seen.Answers[0]; got.Code != 0 {
			return Stop{State: Failed, Why: exitWords(got), Results: results(got)}
		}
		return Done{Results: results(seen.Answers[0])}
	}
	if n := len(seen.Past); n > 0 {
		last := seen.Past[n-1]
		if last.OK {
			return Done{Results: results(last.Answers[0])}
		}
		if last.Answers[0].State == Given {
			return Stop{State: Failed, Why: last.Why, Results: results(last.Answers[0])}
		}
	}
	if a.Creates != "" && seen.Answers[0].Code == 0 {
		return Done{}
	}
	c := Change{What: "run", Do: []Action{Shell{Text: a.Command, Foreign: true}}, Again: a.Again}
	if a.Creates != "" {
		c.Then = []Answer{said("1")}
	}
	return Act{Changes: []Change{c}}
}

// box is a container.
type boxArgs struct {
	Name string `arg:"name"`
}

func (a boxArgs) Ask() []Question { return []Question{ask("container:" + a.Name)} }

func boxModule() Module {
	return PerHost(Module{
		Name: "box", Summary: "A container.", Place: true,
		Args:    []Arg{{Name: "name", Type: cty.String, Required: true}},
		Results: []Result{{Name: "name", Type: cty.String, Repeats: "name"}},
	}, func(a boxArgs, seen Seen) Decision {
		if seen.Answers[0].Code == 0 {
			return Done{}
		}
		return Act{Changes: []Change{{What: "start", Do: do("set container:%s up", a.Name), Then: []Answer{said("up")}}}}
	})
}

// everywhere declares a key on the whole fleet: prepared everywhere, then set everywhere, and refused where a host is unknown.
type everywhereArgs struct {
	Key  string `arg:"key"`
	Mild bool   `arg:"mild"` // goes on without hosts that are unknown
}

func (a everywhereArgs) Ask() []Question { return []Question{ask("ready:" + a.Key), ask(a.Key)} }

func everywhereModule() Module {
	return Fleet(Module{
		Name: "everywhere", Summary: "Declare a key everywhere.",
		Args:    []Arg{{Name: "key", Type: cty.String, Required: true}, {Name: "mild", Type: cty.Bool, Default: false}},
		Results: []Result{{Name: "hosts", Type: cty.Number}},
	}, decideEverywhere)
}

func decideEverywhere(all []On[everywhereArgs]) []Decision {
	out := make([]Decision, len(all))
	var unknown, unready []string
	mild, broken := false, ""
	for _, on := range all {
		mild = mild || on.Args.Mild
		if _, failed := failedIn(on.Past); failed {
			broken = on.Host
		}
		switch {
		case on.Reach == Unreached:
			unknown = append(unknown, on.Host+" ("+on.Why+")")
		case on.Answers[0].Code != 0 && on.Answers[1].Code != 0:
			unready = append(unready, on.Host)
		}
	}
	for i, on := range all {
		stop, failed := failedIn(on.Past)
		switch {
		case on.Reach == Unreached:
			out[i] = Stop{State: Failed, Why: on.Why}
		case len(unknown) > 0 && !mild:
			out[i] = Stop{State: Refused, Why: "unknown: " + strings.Join(unknown, ", ")}
		case failed:
			out[i] = stop
		case broken != "":
			out[i] = Stop{State: Failed, Why: broken + " failed"}
		case on.Answers[1].Code == 0:
			out[i] = Done{Results: Values{"hosts": len(all)}}
		case on.Answers[0].Code != 0:
			out[i] = Act{Changes: []Change{
				{What: "prepare", Do: do("set ready:%s 1", on.Args.Key)},
				{What: "set " + on.Args.Key},
			}}
		case len(unready) > 0:
			out[i] = Act{Changes: []Change{{What: "set " + on.Args.Key}}}
		default:
			out[i] = Act{Changes: []Change{{What: "set " + on.Args.Key, Do: do("set %s 1", on.Args.Key)}}}
		}
	}
	return out
}

// bytes puts a secret where only standard input carries it.
type bytesArgs struct {
	Key      string `arg:"key"`
	Content  Blob   `arg:"content"`
	Password string `arg:"password"`
}

func (a bytesArgs) Ask() []Question { return []Question{ask(a.Key)} }

func bytesModule() Module {
	return PerHost(Module{
		Name: "bytes", Summary: "A secret.",
		Args: []Arg{
			{Name: "key", Type: cty.String, Required: true}, {Name: "content", Type: cty.String, As: AsContent, Required: true},
			{Name: "password", Type: cty.String, Secret: true},
		},
		Results: []Result{{Name: "content", Type: cty.String, Repeats: "content"}, {Name: "words", Type: cty.String}},
	}, func(a bytesArgs, seen Seen) Decision {
		if stop, failed := failedIn(seen.Past); failed {
			return stop
		}
		if seen.Answers[0].Code == 0 && seen.Answers[0].Stdout.String() == string(a.Content.Text) {
			return Done{Results: Values{"words": "it is " + string(a.Content.Text)}, Warn: []string{"careful with " + string(a.Content.Text)}}
		}
		return Act{Changes: []Change{{
			What: "put " + string(a.Content.Text), Have: seen.Answers[0].Stdout.String(), Want: string(a.Content.Text), Diff: "+" + string(a.Content.Text),
			Do: []Action{Shell{Text: "put " + a.Key, Stdin: a.Content.Text}, Shell{Text: "say the password is " + a.Password, Foreign: true}},
		}}}
	})
}

// odd is a module with a bug.
type oddArgs struct {
	How string `arg:"how"`
}

func (a oddArgs) Ask() []Question {
	if a.How == "panic in ask" {
		panic("no such table")
	}
	return []Question{ask("odd")}
}

func oddModule() Module {
	return PerHost(Module{
		Name: "odd", Summary: "A bug.",
		Args:    []Arg{{Name: "how", Type: cty.String, Required: true}},
		Results: []Result{{Name: "count", Type: cty.Number}},
	}, decideOdd)
}

func decideOdd(a oddArgs, seen Seen) Decision {
	switch a.How {
	case "nil":
		return nil
	case "panic":
		panic("index out of range")
	case "more":
		return More{Ask: []Question{ask("more")}}
	case "more once":
		if len(seen.Answers) == 1 {
			return More{Ask: []Question{ask("x"), ask("y")}}
		}
		return Done{Results: Values{"count": len(seen.Answers)}}
	case "endless":
		return Act{Changes: []Change{{What: fmt.Sprintf("round %d", len(seen.Past)+1), Do: do("add odd")}}}
	case "noop":
		return Act{Changes: []Change{{What: "make it so", Have: "odd", Want: "even", Do: do("noop")}}}
	case "empty":
		return Act{}
	case "foreseen":
		return Act{Changes: []Change{{What: "some day"}}}
	case "state":
		return Stop{State: "done", Why: "no such state"}
	case "result":
		return Done{Results: Values{"count": "many"}}
	}
	return Done{}
}

// pair sets two keys, the second of which may fail, and takes the first back then.
type pairArgs struct {
	First  string `arg:"first"`
	Second string `arg:"second"` // the command for the second
	Back   bool   `arg:"back"`   // ends by Done after the roll-back, which has to fail all the same
}

func (a pairArgs) Ask() []Question { return []Question{ask(a.First), ask("second")} }

func pairModule() Module {
	return PerHost(Module{
		Name: "pair", Summary: "Two keys, or none.",
		Args: []Arg{{Name: "first", Type: cty.String, Required: true}, {Name: "second", Type: cty.String, Required: true}, {Name: "back", Type: cty.Bool, Default: false}},
	}, func(a pairArgs, seen Seen) Decision {
		stop, failed := failedIn(seen.Past)
		switch {
		case failed && seen.Answers[0].Code == 0:
			return Act{Changes: []Change{{What: "take back", Do: do("del %s", a.First)}}}
		case failed && a.Back:
			return Done{}
		case failed:
			return stop
		case seen.Answers[0].Code == 0 && seen.Answers[1].Code == 0:
			return Done{}
		}
		return Act{Changes: []Change{{What: "first", Do: do("set %s 1", a.First)}, {What: "second", Do: do("%s", a.Second)}, {What: "third", Do: do("set third 1")}}}
	})
}

// temp has a key for the time of the run.
type tempArgs struct {
	Key  string `arg:"key"`
	Make string `arg:"make"` // another command that is to make it
	Undo string `arg:"undo"` // another command that is to remove it
}

func (a tempArgs) Ask() []Question { return []Question{ask(a.Key)} }

type goneArgs struct {
	Key  string `arg:"key"`
	Undo string `arg:"undo"`
}

func (a goneArgs) Ask() []Question { return []Question{ask(a.Key)} }

func tempModule() Module {
	return PerHost(Module{
		Name: "temp", Summary: "A key for the time of the run.",
		Args: []Arg{{Name: "key", Type: cty.String, Required: true}, {Name: "make", Type: cty.String}, {Name: "undo", Type: cty.String}},
	}, func(a tempArgs, seen Seen) Decision {
		if stop, failed := failedIn(seen.Past); failed {
			return stop
		}
		if seen.Answers[0].Code == 0 {
			return Done{}
		}
		c := Change{What: "make " + a.Key, Do: do("set %s 1", a.Key)}
		if a.Make != "" {
			c.Do = do("%s", a.Make)
		}
		return Act{Changes: []Change{c}, Finally: []Final{{Module: "gone", Args: goneArgs{Key: a.Key, Undo: a.Undo}}}}
	})
}

func goneModule() Module {
	return PerHost(Module{
		Name: "gone", Summary: "No key.", Args: []Arg{{Name: "key", Type: cty.String, Required: true}, {Name: "undo", Type: cty.String}},
	}, func(a goneArgs, seen Seen) Decision {
		if seen.Answers[0].Code != 0 {
			return Done{}
		}
		c := Change{What: "remove " + a.Key, Do: do("del %s", a.Key)}
		if a.Undo != "" {
			c.Do = do("%s", a.Undo)
		}
		return Act{Changes: []Change{c}}
	})
}

// survey asks all hosts even where it runs once.
type surveyArgs struct {
	Key string `arg:"key"`
}

func (a surveyArgs) Ask() []Question { return []Question{ask(a.Key)} }

func surveyModule() Module {
	return Fleet(Module{
		Name: "survey", Summary: "What all hosts have.", Surveys: true,
		Args:    []Arg{{Name: "key", Type: cty.String, Required: true}},
		Results: []Result{{Name: "values", Type: cty.String}},
	}, func(all []On[surveyArgs]) []Decision {
		var values []string
		for _, on := range all {
			if on.Reach == Unreached {
				values = append(values, on.Host+"=?")
				continue
			}
			values = append(values, on.Host+"="+on.Answers[0].Stdout.String())
		}
		out := make([]Decision, len(all))
		for i := range all {
			out[i] = Done{Results: Values{"values": strings.Join(values, " ")}}
		}
		return out
	})
}
