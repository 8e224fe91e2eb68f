package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

func (a *app) outputKnown(name string) error {
	switch name {
	case "auto", "live", "plain", "json", "quiet":
		return nil
	}
	return fmt.Errorf("--output: %q is none of auto, live, plain, json, quiet", name)
}

// json tells whether the events themselves are written somewhere.
func (f runFlags) json() bool { return f.jsonFile != "" || f.output == "json" }

// sinks opens the reports that the flags ask for; closeAll ends them and gives their first error.
func (a *app) sinks(f runFlags) (list []report.Report, closeAll func() error, err error) {
	if f.jsonFile != "" && f.jsonFile == f.junit {
		return nil, nil, errors.New("--json-file and --junit: two reports need two files")
	}
	var files []*os.File
	end := func() error {
		var errs []error
		for _, r := range list {
			errs = append(errs, r.Close())
		}
		for _, file := range files {
			errs = append(errs, file.Close())
		}
		return errors.Join(errs...)
	}
	for _, to := range []struct {
		flag, path string
		open       func(io.Writer) report.Report
	}{{"--json-file", f.jsonFile, report.JSON}, {"--junit", f.junit, report.JUnit}} {
		if to.path == "" {
			continue
		}
		file, err := os.Create(to.path)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("%s: %w", to.flag, err), end())
		}
		files = append(files, file)
		list = append(list, to.open(file))
	}
	list = append(list, a.mainReport(f))
	return list, end, nil
}

func (a *app) mainReport(f runFlags) report.Report {
	o := report.Options{Verbose: f.verbose, Diff: f.diff, Answers: f.adHoc, Environ: a.environ}
	switch {
	case f.output == "json":
		return report.JSON(a.stdout)
	case f.output == "quiet":
		return report.Quiet(a.stdout, o)
	case f.output == "live", f.output == "auto" && !f.step && report.CanLive(a.stdout, a.environ):
		return report.Live(a.stdout, o)
	}
	return report.Plain(a.stdout, o)
}

func eventSinks(list []report.Report) []event.Sink {
	out := make([]event.Sink, len(list))
	for i, r := range list {
		out[i] = r
	}
	return out
}
