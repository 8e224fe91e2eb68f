//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A result is everything as JSON.
type result struct {
	Date    string   `json:"date"`
	Machine string   `json:"machine"`
	Figures []figure `json:"figures"`
}

// write puts what was measured into files, and the table on w too.
func (b *bench) write(w io.Writer) error {
	slices.SortStableFunc(b.figures, func(x, y figure) int { return slices.Index(rowOrder, x.Row) - slices.Index(rowOrder, y.Row) })
	r := result{Date: b.began.UTC().Format(time.DateOnly), Machine: machine(), Figures: b.figures}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	table := r.table()
	errs := []error{os.WriteFile(filepath.Join(b.out, "bench.json"), append(text, '\n'), 0o644), os.WriteFile(filepath.Join(b.out, "bench.txt"), []byte(table), 0o644)}
	for _, c := range b.grown {
		errs = append(errs, c.save(b.out))
	}
	_, err = io.WriteString(w, table)
	return errors.Join(append(errs, err)...)
}

func (c chart) save(folder string) error {
	f, err := os.Create(filepath.Join(folder, c.file+".svg"))
	if err != nil {
		return err
	}
	return errors.Join(c.write(f), f.Close())
}

// table is the rows as text.
func (r result) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s\n\n", r.Date, r.Machine)
	wide := 0
	for _, f := range r.Figures {
		wide = max(wide, len([]rune(f.What)))
	}
	wide = min(wide, 70)
	fmt.Fprintf(&b, "%-4s %-*s  %8s %8s  %s\n", "", wide, "", "goal", "moonshot", "figure")
	for _, f := range r.Figures {
		aim, moonshot := f.limit(f.Goal), f.limit(f.Moonshot)
		if f.Verdict == "" {
			aim, moonshot = "", ""
		}
		fmt.Fprintf(&b, "%-4s %-*s  %8s %8s  %s\n", f.Row, wide, f.What, aim, moonshot, f.measured())
		for _, line := range []string{f.Note, f.Between} {
			if line != "" {
				fmt.Fprintf(&b, "       %s\n", line)
			}
		}
	}
	return b.String()
}

func (f figure) limit(v float64) string {
	if f.AtLeast {
		return "≥ " + number(v)
	}
	return "≤ " + number(v)
}

// measured is the median with its spread and the verdict.
func (f figure) measured() string {
	if f.Figure == nil {
		return f.Verdict
	}
	s := *f.Figure
	text := number(s.Median)
	if f.Unit != "" {
		text += " " + f.Unit
	}
	if s.N > 1 {
		text += fmt.Sprintf(" (%s–%s, %d runs)", number(s.Low), number(s.High), s.N)
	} else {
		text += " (1 run)"
	}
	if f.Verdict != "" {
		text += ": " + f.Verdict
	}
	if f.Unsteady {
		text += ", not in every run"
	}
	return text
}

// number has about three digits that mean something.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
