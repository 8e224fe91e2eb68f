package modules

import (
	"fmt"
	"path"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func init() { register(engine.PerHost(execSchema, decideExec)) }

// execArgs are the arguments of one exec_script step.
type execArgs struct {
	Script  *string  `arg:"script"`
	Command []string `arg:"command"`
	Args    []string `arg:"args"`
	Stdin   string   `arg:"stdin"`
	Workdir string   `arg:"workdir"`
	User    string   `arg:"user"`

	ReadOnly bool         `arg:"read_only"`
	Creates  string       `arg:"creates"`
	Removes  string       `arg:"removes"`
	Unless   string       `arg:"unless"`
	OnlyIf   string       `arg:"only_if"`
	Version  *execVersion `arg:"version"`

	OKCodes      []int    `arg:"ok_codes"`
	FailRegex    []string `arg:"fail_regex"`
	OKRegex      []string `arg:"ok_regex"`
	Artifact     string   `arg:"artifact"`
	MaxOutput    int64    `arg:"max_output"`
	RetryUnknown bool     `arg:"retry_unknown"`
}

// execVersion is the guard by the output of a version command.
type execVersion struct {
	Command string `arg:"command"`
	Want    string `arg:"want"`
}

const execMaxOutput = 1 << 20

var execSchema = engine.Module{
	Name:    "exec_script",
	Summary: "Run a script or a command on a host, or inside a container.",
	Doc: `Runs a ` + "`script`" + ` (its ` + "`#!`" + ` line chooses the interpreter, else /bin/sh) or a ` + "`command`" + ` (one argv, no shell). The
script travels on standard input: it has no size limit, and nothing of it is left on the host.

**Guards** make the step idempotent and check mode exact. ` + "`creates`, `removes`, `unless`, `version`" + ` say that nothing is left to do; of several, one
that holds is enough. After the script ran they are asked again, and the step has failed if none of them holds. ` + "`only_if`" + ` is a
precondition: where it does not hold the script does not run; it proves nothing afterwards. ` + "`unless`, `only_if` and `version.command`" + ` run in check
mode too, for at most 30 s, and also on hosts where ` + "`when`" + ` turns out to be false: they must change nothing.

Where a guard keeps the script from running the step is ` + "`ok`, `ran`" + ` is false, and the other results are null.

**` + "`read_only = true`" + `** makes the script a question: it runs in check mode too, is never ` + "`changed`" + `, and is asked again after a lost
connection. A script with neither a guard nor ` + "`changed_when`" + ` is ` + "`would_change`" + ` in check mode.

**Judgement**: the exit code has to be one of ` + "`ok_codes`" + `; no output line may match a ` + "`fail_regex`" + `; each ` + "`ok_regex`" + ` has to match at
least one line (write alternatives as one pattern, ` + "`a|b`" + `). Lines are those of both streams, as bytes, without their line end (LF or CRLF); all
of them are searched while they come, whatever ` + "`max_output`" + ` keeps and however long they are.

**Output**: ` + "`stdout` and `stderr`" + ` keep the first ` + "`max_output`" + ` bytes each; where there was more, a warning has the count and the hash of all. ` + "`artifact`" + ` keeps all of it, both
streams in one file, also that of a ` + "`read_only`" + ` script in check mode, since it ran there. Where the script ran again, the file is of the last time.

When the time limit (` + "`timeout`" + `) ends, the whole process tree gets TERM and five seconds later KILL, on the host and inside a container; what survives
is listed, and the output so far is kept. A process that has both left the tree and emptied its environment is not found. A script whose
connection was lost is ` + "`unknown`" + ` and not run again, unless ` + "`creates`, `removes`, `unless` or `version`" + ` can tell that it did not come to its end, or
` + "`retry_unknown = true`" + ` says that it may.`,
	Example: `step "exec_script" "install" {
  script  = "apt-get install -y jq\n"
  creates = "/usr/bin/jq"
  timeout = "10m"
}
`,
	Args:      execArguments,
	Results:   execResults,
	Judged:    true,
	Alongside: true,
	Looks:     func(in engine.Inputs) bool { return in.True("read_only") },
	Check:     checkExec,
	Hints:     hintExec,
}

var execArguments = []engine.Arg{
	{Name: "script", Type: cty.String, Doc: "The text to run; a `#!` first line chooses the interpreter, else `/bin/sh`."},
	{Name: "command", Type: cty.List(cty.String), Visible: true, Doc: "Instead of a script: one program and its arguments, without a shell."},
	{Name: "args", Type: cty.List(cty.String), Visible: true, Doc: "`$1` and so on of the script."},
	{Name: "stdin", Type: cty.String, Doc: "What it reads from standard input; may be sensitive."},
	{Name: "workdir", Type: cty.String, As: engine.AsAbsPath, Doc: "Folder it runs in."},
	{Name: "user", Type: cty.String, Doc: "Account it runs as; default: the step's."},
	{Name: "read_only", Type: cty.Bool, Default: false, Doc: "It only looks: it runs in check mode too, is never `changed`, and may be asked again. It is asked together with the questions of its neighbours, also before it is reached; where the step sets `timeout` it is asked alone, when it is reached."},
	{Name: "creates", Type: cty.String, As: engine.AsGlob, Doc: "Path or glob: nothing to do where something is there."},
	{Name: "removes", Type: cty.String, As: engine.AsGlob, Doc: "Path or glob: nothing to do where nothing is there."},
	{Name: "unless", Type: cty.String, Doc: "Read-only shell command: nothing to do where it ends with 0. Runs in check mode too."},
	{Name: "only_if", Type: cty.String, Doc: "Read-only shell command: not run where it does not end with 0. Runs in check mode too."},
	{Name: "version", Doc: "Guard by the output of a version command.", Block: []engine.Arg{
		{Name: "command", Type: cty.String, Required: true, Doc: "Read-only shell command that prints a version; one that fails has none. Runs in check mode too."},
		{Name: "want", Type: cty.String, Required: true, Doc: "Version that has to stand in its output as a whole: `2.4` is not in `2.4.1`, `12.4` or `2.4-rc1`, but in `v2.4` and `2.4-1ubuntu2`."},
	}},
	{Name: "ok_codes", Type: cty.List(cty.Number), Default: []int{0}, Valid: validExitCodes, Doc: "Exit codes that are success."},
	{Name: "fail_regex", Type: cty.List(cty.String), As: engine.AsRE2, Doc: "The step fails where an output line matches one of them."},
	{Name: "ok_regex", Type: cty.List(cty.String), As: engine.AsRE2, Doc: "The step fails where one of them matches no output line."},
	{Name: "artifact", Type: cty.String, Valid: validArtifact, Doc: "Keep the whole output, without secrets, on the controller, in this path under the run's folder for the host."},
	{Name: "max_output", Type: cty.Number, Default: execMaxOutput, Valid: validMaxOutput, Doc: "Bytes of each stream kept for the results; the rest is counted, hashed, searched, and streams to the artifact."},
	{Name: "retry_unknown", Type: cty.Bool, Default: false, Doc: "Run it again where the connection was lost while it ran."},
}

var execResults = []engine.Result{
	{Name: "ran", Type: cty.Bool, Doc: "Whether it ran; false where a guard held."},
	{Name: "rc", Type: cty.Number, Doc: "Exit code; null where it did not run to its end."},
	{Name: "stdout", Type: cty.String, Doc: "What it wrote to standard output, up to `max_output`."},
	{Name: "stderr", Type: cty.String, Doc: "What it wrote to standard error, up to `max_output`."},
	{Name: "duration", Type: cty.Number, Doc: "Seconds it took."},
	{Name: "truncated", Type: cty.Bool, Doc: "Whether there was more output than `max_output`."},
	{Name: "matches", Type: cty.List(cty.Object(map[string]cty.Type{
		"stream": cty.String, "line": cty.String, "number": cty.Number, "pattern": cty.String,
	})), Doc: "Output lines that a `fail_regex` matched, `[{stream, line, number, pattern}]`, at most 1000; long lines are cut."},
}

func validExitCodes(v cty.Value) error {
	if v.LengthInt() == 0 {
		return fmt.Errorf("no exit code would be a success")
	}
	for _, code := range v.AsValueSlice() {
		if !code.IsKnown() || code.IsNull() {
			continue
		}
		n, exact := code.AsBigFloat().Int64()
		if exact != 0 || n < 0 || n > 255 {
			return fmt.Errorf("an exit code is a whole number from 0 to 255")
		}
	}
	return nil
}

func validArtifact(v cty.Value) error {
	p := v.AsString()
	if p == "" || path.IsAbs(p) || path.Clean(p) == "." || strings.HasPrefix(path.Clean(p), "..") {
		return fmt.Errorf("not a relative path below the run's folder")
	}
	return nil
}

func validMaxOutput(v cty.Value) error {
	n, exact := v.AsBigFloat().Int64()
	if exact != 0 || n < 1 || n > 1<<30 {
		return fmt.Errorf("a number of bytes from 1 to %d (1 GiB)", 1<<30)
	}
	return nil
}

// checkExec finds arguments that contradict each other.
func checkExec(in engine.Inputs) []engine.Complaint {
	var out []engine.Complaint
	switch script, command := in.Has("script"), in.Has("command"); {
	case script && command && in.Known("script") && in.Known("command"):
		out = append(out, engine.Complaint{Arg: "command", Say: "a step runs either a script or a command; leave one of them out"})
	case !script && !command:
		out = append(out, engine.Complaint{Say: "nothing to run: give script or command"})
	}
	if in.Has("command") && in.Known("command") {
		if v, _ := in["command"].UnmarkDeep(); v.LengthInt() == 0 {
			out = append(out, engine.Complaint{Arg: "command", Say: "the command is empty"})
		}
		if in.Has("args") {
			out = append(out, engine.Complaint{Arg: "args", Say: "args belong to a script; put the words of a command into command itself"})
		}
	}
	if in.Has("script") && in.Known("script") && strings.TrimSpace(in.String("script")) == "" {
		out = append(out, engine.Complaint{Arg: "script", Say: "the script is empty"})
	}
	if in.True("read_only") {
		out = append(out, complainReadOnly(in)...)
	}
	return out
}

// complainReadOnly: a read-only script always runs, and may always run again, so what decides whether it does has no meaning.
func complainReadOnly(in engine.Inputs) []engine.Complaint {
	var out []engine.Complaint
	for _, arg := range append(execGuards, "retry_unknown") {
		if in.Has(arg) && (arg != "retry_unknown" || in.True(arg)) {
			out = append(out, engine.Complaint{Arg: arg, Say: "a read_only script is asked every time; " + arg + " has no meaning there, use when"})
		}
	}
	return out
}

// execGuards are the arguments that keep a script from running.
var execGuards = []string{"creates", "removes", "unless", "only_if", "version"}

// hintExec finds scripts that make a playbook worse than it has to be. The planner gives the meta-argument changed_when among the inputs.
func hintExec(in engine.Inputs) []engine.Complaint {
	var out []engine.Complaint
	guarded := in.Has("changed_when") || in.True("read_only") || !in.Known("read_only")
	for _, guard := range execGuards {
		guarded = guarded || in.Has(guard)
	}
	if !guarded {
		out = append(out, engine.Complaint{
			HintID: "exec-no-guard",
			Say: "without a guard every run runs it again and check mode can only say would_change: give creates, removes, unless, only_if or version; " +
				"read_only = true if it only looks; or changed_when = false if it is a test",
		})
	}
	if strings.Contains(in.String("script"), "\r\n") {
		out = append(out, engine.Complaint{Arg: "script", HintID: "exec-crlf", Say: "the script has CRLF line ends, which a shell takes for part of its words"})
	}
	return out
}
