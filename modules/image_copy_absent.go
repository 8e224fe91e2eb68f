package modules

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func init() { register(engine.PerHost(imageCopyAbsentSchema, decideImageCopyAbsent)) }

// imageCopyAbsentArgs are the arguments of one image_copy_absent step.
type imageCopyAbsentArgs struct {
	Run string `arg:"run"`
}

var imageCopyAbsentSchema = engine.Module{
	Name:    "image_copy_absent",
	Summary: "Remove what an image_present step left on a host for copying an image.",
	Doc: `While image_present copies an image between hosts, each has a folder ` + "`" + imageFolders + "RUN-…`" + ` with throw-away keys, and some an sshd of
their own. The step removes them when it is done, and owes this step to the end of the run, so that after a failure and after Ctrl-C
nothing stays. A controller that was killed cannot pay: the sshd ends by itself after two hours, and this step with the id of that run (it
is in the folder's name) removes the folder.

The sshd and all that it serves are ended before their folder goes. Folders of other accounts are left alone. It is ` + "`ok`" + ` where there is
none.`,
	Example: `step "image_copy_absent" "nothing_left" {
  run = "20261122t035604-abcdef"
}
`,
	Args: []engine.Arg{
		{Name: "run", Type: cty.String, Required: true, Visible: true, Valid: validRunID, Doc: "Id of the run that left them."},
	},
	Results: []engine.Result{
		{Name: "removed", Type: cty.Bool, Doc: "Whether this step removed something."},
	},
}

var runIDRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)

func validRunID(v cty.Value) error {
	if !runIDRule.MatchString(v.AsString()) {
		return fmt.Errorf("not the id of a run (letters, digits and -)")
	}
	return nil
}

// Ask lists the folders of the run.
func (a imageCopyAbsentArgs) Ask() []engine.Question {
	return []engine.Question{engine.Shell{Text: imageFoldersText, Args: []string{imageFolders + a.Run + "-"}}}
}

const imageFoldersText = `for d in "$1"????????????; do
	if [ -d "$d" ] && [ -O "$d" ]; then echo "folder=$d"; fi
done
echo end
`

func decideImageCopyAbsent(a imageCopyAbsentArgs, seen engine.Seen) engine.Decision {
	if stop, failed := failedBefore(seen.Past); failed {
		return stop
	}
	if len(seen.Answers) == 0 {
		return failedStop("nobody answered")
	}
	found, err := readFolders(seen.Answers[0])
	if err != nil {
		return failedStop("whether something of run %s is there is not known: %s", a.Run, err)
	}
	if len(found) == 0 {
		return engine.Done{Results: engine.Values{"removed": len(seen.Past) > 0}}
	}
	act := engine.Act{Results: engine.Values{"removed": true}}
	for _, folder := range found {
		act.Changes = append(act.Changes, engine.Change{
			What: "remove " + path.Base(folder), Have: "there", Want: "absent", Again: true,
			Do:   []engine.Action{removeFolder(folder)},
			Then: []engine.Answer{{State: engine.Given, Stdout: engine.Output{Bytes: []byte("end\n"), Size: 4}}},
		})
	}
	return act
}

// readFolders reads the list of folders strictly: what is not understood is an error, never an absence.
func readFolders(a engine.Answer) ([]string, error) {
	var out []string
	ended := false
	for line := range strings.Lines(a.Stdout.String()) {
		line = strings.TrimRight(line, "\n")
		folder, ok := strings.CutPrefix(line, "folder=")
		switch {
		case line == "end":
			ended = true
		case ok && strings.HasPrefix(folder, imageFolders):
			out = append(out, folder)
		default:
			return nil, fmt.Errorf("cannot understand %q", line)
		}
	}
	if a.Code != 0 || !ended {
		return nil, fmt.Errorf("%s", words(a))
	}
	return out, nil
}
