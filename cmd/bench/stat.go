//go:build linux

package main

import (
	"math"
	"slices"
)

// A spread is what several measurements of one thing came to.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // the least of them
	High   float64 `json:"high"` // the greatest
	N      int     `json:"n"`
}

// spreadOf is the zero spread for no value at all.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	return spread{Median: quantile(values, 0.5), Low: slices.Min(values), High: slices.Max(values), N: len(values)}
}

// quantile is the value that a share q of all values is not above; between two values, on the line that joins them. There has to be a value.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// ratios divides what was measured in the same round: what slows a machine down for a while slows down both.
func ratios(above, below []float64) []float64 {
	var out []float64
	for i := range min(len(above), len(below)) {
		out = append(out, above[i]/below[i])
	}
	return out
}

// slope is that of the straight line with the least squares through points, of which there have to be two with different x.
func slope(x, y []float64) float64 {
	n := float64(len(x))
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx += x[i]
		sy += y[i]
		sxx += x[i] * x[i]
		sxy += x[i] * y[i]
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// exponent is the b of y = a·x^b that fits best: 1 is growth in proportion.
func exponent(x, y []float64) float64 {
	lx, ly := make([]float64, len(x)), make([]float64, len(y))
	for i := range x {
		lx[i], ly[i] = math.Log(x[i]), math.Log(y[i])
	}
	return slope(lx, ly)
}
