package main

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty/function"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/engine/lint"
	"cvsplay/inventory"
	"cvsplay/modules"
)

// inputFlags say which playbook is bound to which inventory and variables.
type inputFlags struct {
	inventories []string
	vars        []string
	varFiles    []string
	lab         int
	tags        []string
	skipTags    []string
	startAt     string
}

func (f *inputFlags) add(cmd *cobra.Command) {
	f.addInventory(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.vars, "var", nil, "set a variable: `name=value`")
	flags.StringArrayVar(&f.varFiles, "var-file", nil, "set the variables in a `file`")
}

func (f *inputFlags) addInventory(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.inventories, "inventory", "i", nil, "inventory `file` or folder; may be given more than once")
	flags.Var((*hostCount)(&f.lab), "lab", "simulate `N` hosts in each lab source, whatever the inventory says")
}

func (f *inputFlags) addChoice(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Func("tags", "run only the steps with one of these `tags`, which stand between commas", flagList(&f.tags, "a tag"))
	flags.Func("skip-tags", "leave out the steps with one of these `tags`", flagList(&f.skipTags, "a tag"))
	flags.Func("start-at", "leave out the steps before this one: `[PLAY.]STEP`", flagText(&f.startAt, "the step"))
}

// loaded is a playbook bound to its inventory.
type loaded struct {
	playbook *config.Playbook
	inv      *inventory.Inventory // nil where none was asked for
	files    *config.Files
	plan     *engine.Plan
	runID    string
}

func (l *loaded) close() {
	if l.inv != nil {
		_ = l.inv.Close() // a lab that cannot be ended ends with the process
	}
}

// A need says how much of an inventory a command wants.
type need int

const (
	noInventory   need = iota // groups and hosts are not checked
	idleInventory             // names and settings; no lab is started
	liveInventory             // hosts that will be contacted
)

// load reads and binds everything. What is wrong has been printed when ok is false.
func (a *app) load(ctx context.Context, path string, f inputFlags, want need, check bool) (*loaded, hcl.Diagnostics, bool) {
	l, diags := a.read(ctx, path, f, want, check)
	if diags.HasErrors() {
		a.diagnose(diags, l.files)
		return l, diags, false
	}
	return l, diags, true
}

// read reads and binds everything. Where the diagnostics hold an error nothing is left open, and only the files are sure to be there.
func (a *app) read(ctx context.Context, path string, f inputFlags, want need, check bool) (*loaded, hcl.Diagnostics) {
	l := &loaded{files: &config.Files{}, runID: newRunID()}
	pb, files, diags := config.Load(path)
	l.files.Merge(files)
	for _, required := range pb.Requires() {
		if more := eval.RequiredVersion(required, version); more.HasErrors() { // it may be why there are others
			return l, more
		}
	}
	if diags.HasErrors() {
		return l, diags
	}
	l.playbook = pb
	if want != noInventory {
		diags = append(diags, a.addInventory(ctx, l, f, want)...)
		if diags.HasErrors() {
			return l, diags
		}
	}
	diags = append(diags, a.bind(l, f, check)...)
	if diags.HasErrors() {
		l.close()
	}
	return l, diags
}

func (a *app) addInventory(ctx context.Context, l *loaded, f inputFlags, want need) hcl.Diagnostics {
	inv, files, diags := inventory.Load(ctx, f.inventories, inventory.Options{Env: a.lookup, Lab: f.lab, Idle: want == idleInventory})
	l.files.Merge(files)
	l.inv = inv
	return diags
}

// bind gives the variables their values and makes the plan.
func (a *app) bind(l *loaded, f inputFlags, check bool) hcl.Diagnostics {
	cwd, err := os.Getwd()
	if err != nil {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No current folder", Detail: err.Error()}}
	}
	home, _ := os.UserHomeDir()
	dir := l.playbook.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(cwd, dir)
	}
	functionsIn := func(dir string) map[string]function.Function {
		return eval.Functions(eval.FuncContext{Dir: dir, Home: home, Env: a.lookup})
	}
	functions := functionsIn(dir)
	given, diags := a.given(l, f)
	vars, more := eval.Variables(l.playbook.Variables, given, functions)
	diags = append(diags, more...)
	plan, more := engine.NewPlan(l.playbook, engine.PlanOptions{
		Modules: modules.All(), Inventory: l.inv, Vars: vars, Functions: functions, FunctionsIn: functionsIn, Check: check, RunID: l.runID,
		Dir: cwd, InvDir: l.inventoryDir(), Tags: f.tags, SkipTags: f.skipTags, StartAt: f.startAt,
	})
	l.plan = plan
	return append(diags, more...)
}

func (l *loaded) inventoryDir() string {
	if l.inv == nil || len(l.inv.Files) == 0 {
		return "."
	}
	first := l.inv.Files[0]
	if info, err := os.Stat(first); err == nil && info.IsDir() {
		return first
	}
	return filepath.Dir(first)
}

// given collects the values for variables, in ascending precedence.
func (a *app) given(l *loaded, f inputFlags) ([]eval.Given, hcl.Diagnostics) {
	var given []eval.Given
	var diags hcl.Diagnostics
	if l.inv != nil {
		for name, v := range l.inv.Variables {
			given = append(given, eval.Given{Name: name, Source: eval.FromInventory, Origin: "the inventory", Value: v.Value, Range: &v.Range})
		}
	}
	given = append(given, eval.Environment(a.environ)...)
	for _, path := range f.varFiles {
		list, files, more := eval.VarFile(path)
		l.files.Merge(files)
		diags = append(diags, more...)
		given = append(given, list...)
	}
	for _, text := range f.vars {
		g, err := eval.Option(text)
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid --var", Detail: err.Error()})
			continue
		}
		given = append(given, g)
	}
	return given, diags
}

func (a *app) lookup(name string) (string, bool) {
	for i := len(a.environ) - 1; i >= 0; i-- {
		if n, v, ok := strings.Cut(a.environ[i], "="); ok && n == name {
			return v, true
		}
	}
	return "", false
}

// newRunID is unique, and sorts by time.
func newRunID() string {
	return strings.ToLower(time.Now().UTC().Format("20060102t150405") + "-" + rand.Text()[:6])
}

// withoutHints leaves the hints out.
func withoutHints(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range diags {
		if lint.ID(d) == "" {
			out = append(out, d)
		}
	}
	return out
}
