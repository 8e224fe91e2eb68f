package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"cvsplay/engine/report"
	"cvsplay/modules"
)

// writeMan writes a manual page for each command, module and topic into a folder, which is made where it is not there. The pages carry the day of
// SOURCE_DATE_EPOCH, so that they can be built again as they were.
func (a *app) writeMan(root *cobra.Command, folder string) error {
	day, err := a.buildDay()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	pages, err := manPages(day)
	if err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "1", Date: &day, Source: "cvsplay " + version, Manual: "cvsplay"}
	if err := doc.GenManTree(root, header, folder); err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o666); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) buildDay() (time.Time, error) {
	text, given := a.lookup("SOURCE_DATE_EPOCH")
	if !given {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %q is no number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// manPages are the pages about modules and topics, by the names of their files.
func manPages(day time.Time) (map[string][]byte, error) {
	pages := map[string][]byte{}
	add := func(name, section, summary, text string) {
		head := fmt.Sprintf("%% %q %q %q %q %q\n", strings.ToUpper("cvsplay-"+name), section, day.Format("Jan 2006"), "cvsplay "+version, "cvsplay")
		head += fmt.Sprintf("# NAME\n\ncvsplay-%s - %s\n\n# DESCRIPTION\n\n", name, strings.TrimSuffix(summary, "."))
		pages["cvsplay-"+name+"."+section] = md2man.Render([]byte(head + forMan(text)))
	}
	for _, t := range topics() {
		text, err := t.page()
		if err != nil {
			return nil, err
		}
		add(t.name, t.section, t.summary, text)
	}
	for name, m := range modules.All() {
		var b strings.Builder
		pageOf(m).markdown(&b)
		add(name, "7", m.Summary, b.String())
	}
	return pages, nil
}

var (
	manHeading = regexp.MustCompile(`(?m)^(#+) (.*)$`)
	nearLink   = regexp.MustCompile(`\[([^][]*)\]\((?:[^():]*)\)`) // to a place of this page, or to a file beside it
)

// forMan is a page as it stands below the heading of its manual page: its own first heading is there already.
func forMan(page string) string {
	var out []string
	fenced := false
	for _, line := range strings.Split(report.Definitions(page), "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		found := manHeading.FindStringSubmatch(line)
		switch {
		case fenced:
			out = append(out, line)
		case found == nil:
			out = append(out, nearLink.ReplaceAllString(line, "$1"))
		case len(found[1]) == 2 && strings.HasPrefix(found[2], "`"): // a name keeps its letters
			out = append(out, "# "+found[2])
		case len(found[1]) == 2:
			out = append(out, "# "+strings.ToUpper(found[2]))
		case len(found[1]) > 2:
			out = append(out, "## "+found[2])
		}
	}
	return strings.TrimLeft(strings.Join(out, "\n"), "\n")
}
