//go:build linux

package main

import (
	"context"
)

// An experiment measures what some rows tell.
type experiment struct {
	what string
	rows []string
	run  func(context.Context, *bench) error
}

// experiments are all of them, the short ones first.
var experiments = []experiment{
	{"start", []string{"P11"}, startCost},
	{"round trips", []string{"P6"}, roundTrips},
	{"cvsplay and the floor", []string{"P1", "P2"}, againstFloor},
	{"a host that hangs", []string{"P10"}, oneHangs},
	{"a large file", []string{"P12"}, largeFile},
	{"many hosts", []string{"P9"}, drops},
	{"growth", []string{"P8"}, growth},
	{"idle hosts", []string{"P7"}, idleHosts},
	{"other tools", []string{"P3", "P4", "P5"}, otherTools},
}

func (b *bench) add(f ...figure) { b.figures = append(b.figures, f...) }

// A series is the same thing measured several times.
type series []usage

func (s series) wall() []float64 { return s.each(func(u usage) float64 { return u.Wall }) }
func (s series) cpu() []float64  { return s.each(func(u usage) float64 { return u.CPU }) }

func (s series) each(get func(usage) float64) []float64 {
	out := make([]float64, len(s))
	for i, u := range s {
		out[i] = get(u)
	}
	return out
}

func median(values []float64) float64 { return spreadOf(values).Median }
