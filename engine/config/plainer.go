package config

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

var (
	jinja      = regexp.MustCompile(`\{\{-?\s*([^{}]*?)\s*-?\}\}`)
	bareText   = regexp.MustCompile(`^[~./][^\s,"')\]}]*`)
	heredocTag = regexp.MustCompile(`<<-?([A-Za-z_][A-Za-z0-9_-]*)[ \t]*\r?\n`)
	iniSection = regexp.MustCompile(`^\[[A-Za-z0-9_.:-]+\]\s*$`)
)

// plainest is how many errors of one file are looked at: each costs as much as its line is long, and a bomb has a hundred thousand in one.
const plainest = 20

// plainer says in the words of this language what the parser says in those of its grammar, and leaves out what only follows from it.
func plainer(src []byte, name string, diags hcl.Diagnostics) hcl.Diagnostics {
	if !diags.HasErrors() {
		return diags
	}
	if other := otherFormat(src, name); other != nil {
		return hcl.Diagnostics{other}
	}
	out := hcl.Diagnostics{}
	for i, d := range diags {
		if i == plainest {
			return append(out, diags[i:]...)
		}
		if d.Subject == nil || d.Severity != hcl.DiagError {
			out = append(out, d)
			continue
		}
		better, last := plain(src, d)
		if n := len(out); n == 0 || out[n-1].Subject == nil || *out[n-1].Subject != *better.Subject {
			out = append(out, better)
		}
		if last {
			break
		}
	}
	return out
}

// otherFormat tells that a file is no HCL at all; nil where it may be.
func otherFormat(src []byte, name string) *hcl.Diagnostic {
	first, _, _ := bytes.Cut(src, []byte("\n"))
	at := rangeAt(src, name, 0, len(first))
	switch {
	case strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml"):
		return errorAt(at, "Not HCL", "This file is YAML by its name. A playbook is HCL: play \"NAME\" { hosts = …, step \"MODULE\" \"NAME\" { … } }; "+
			"a file of variables has NAME = VALUE, one a line, or is JSON by its name. An inventory of Ansible is read as it is, by an inventory with source \"ansible\" \"NAME\" { file = \"…\" }.")
	case iniSection.Match(first):
		return errorAt(at, "Not HCL", "This looks like an inventory of Ansible in INI. It is read as it is, by an inventory with source "+
			"\"ansible\" \"NAME\" { file = \"…\" }.")
	}
	return nil
}

// plain is a diagnostic of the parser in plain words. What it finds behind some errors is about nothing that a person wrote: then last is true.
func plain(src []byte, d *hcl.Diagnostic) (better *hcl.Diagnostic, last bool) {
	line := lineAt(src, d.Subject.Start)
	if name, ok := jinjaAt(line, d.Subject.Start.Column); ok {
		return errorAt(*d.Subject, "Jinja in an expression", "Expressions stand without braces: write %s, with var., local. or host. in front of "+
			"its name; inside of a text write ${…}.", name), true
	}
	switch d.Summary {
	case "Invalid expression":
		if text := bareText.FindString(line[min(len(line), d.Subject.Start.Column-1):]); text != "" {
			return errorAt(*d.Subject, "Text without quotes", "A text stands in double quotes: %q.", text), true
		}
	case "Unsupported operator":
		if line[min(len(line), d.Subject.Start.Column-1):][:1] == "|" {
			return errorAt(*d.Subject, d.Summary, "There are no filters with a single |: functions are called with their arguments, such as "+
				"upper(var.x) or coalesce(var.x, \"…\"), "+
				"and \"cvsplay docs functions\" lists them. \"Or\" is written ||."), true
		}
	case "Invalid character":
		return d, strings.Contains(d.Detail, "quotes")
	case "Invalid multi-line string":
		return errorAt(*d.Subject, "Closing quote is missing", "This text begins with a quote and has none at its end, before the line is over. "+
			"For several lines write \\n, or a heredoc: <<-EOT … EOT."), true
	case "Unterminated template string":
		if tag, at := heredocBefore(src, *d.Subject); tag != "" { // the parser's own place for it is beside the file
			return errorAt(at, "Heredoc without an end", "A heredoc that begins with <<%s or <<-%s goes on to a line on which %s stands alone, "+
				"without anything behind it.", tag, tag, tag), true
		}
	case "Invalid escape sequence":
		return errorAt(*d.Subject, d.Summary, "%s A backslash in double quotes begins a sequence such as \\n. For a backslash write two; in a "+
			"heredoc one is enough.", d.Detail), false
	}
	return d, false
}

// heredocBefore is the marker of the last heredoc that begins before a place, and where it begins; "" where there is none.
func heredocBefore(src []byte, at hcl.Range) (string, hcl.Range) {
	all := heredocTag.FindAllSubmatchIndex(src[:min(len(src), at.Start.Byte)], -1)
	if len(all) == 0 {
		return "", at
	}
	last := all[len(all)-1]
	return string(src[last[2]:last[3]]), rangeAt(src, at.Filename, last[0], last[3])
}

// lineAt is the text of a position's line.
func lineAt(src []byte, pos hcl.Pos) string {
	return lines(src, pos.Line, pos.Line)
}

// jinjaAt is what stands in the {{ … }} that the parser stumbled over; what stands elsewhere in the line, in a text, is not to blame.
func jinjaAt(line string, column int) (name string, ok bool) {
	for _, at := range jinja.FindAllStringSubmatchIndex(line, -1) {
		if at[0] < column && column <= at[1]+1 && !strings.HasSuffix(line[:at[0]], `"`) {
			return line[at[2]:at[3]], true
		}
	}
	return "", false
}
