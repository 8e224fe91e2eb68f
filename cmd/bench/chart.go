//go:build linux

package main

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
)

// A chart shows how something grows with the number of hosts, on logarithmic axes: growth in proportion is a straight line that rises by one decade for
// each decade.
type chart struct {
	file  string // its name, without ".svg"
	title string
	unit  string // of y
	lines []line
}

// A line is one tool's figures. x and y are above 0 and of the same length.
type line struct {
	name string
	x, y []float64
}

// The measures of a chart, in pixels.
const (
	chartWidth, chartHeight       = 640, 400
	chartLeft, chartRight         = 70, 120
	chartTop, chartBottom         = 40, 50
	chartPlotWidth, chartPlotHigh = chartWidth - chartLeft - chartRight, chartHeight - chartTop - chartBottom
)

// chartColors can be told apart by people who see fewer colours, too.
var chartColors = [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7"}

// An axis is a range of whole decades.
type axis struct{ from, to int }

// axisOf holds all values.
func axisOf(values []float64) axis {
	a := axis{math.MaxInt, math.MinInt}
	for _, v := range values {
		l := math.Log10(v)
		a.from, a.to = min(a.from, int(math.Floor(l))), max(a.to, int(math.Ceil(l)))
	}
	if a.to == a.from {
		a.to++
	}
	return a
}

// at is where a value stands, from 0 to 1.
func (a axis) at(v float64) float64 {
	return (math.Log10(v) - float64(a.from)) / float64(a.to-a.from)
}

// write draws the chart as SVG.
func (c chart) write(w io.Writer) error {
	var xs, ys []float64
	for _, l := range c.lines {
		xs, ys = append(xs, l.x...), append(ys, l.y...)
	}
	if len(xs) == 0 {
		return fmt.Errorf("chart %q: nothing to draw", c.title)
	}
	across, up := axisOf(xs), axisOf(ys)
	px := func(v float64) float64 { return chartLeft + across.at(v)*chartPlotWidth }
	py := func(v float64) float64 { return chartTop + (1-up.at(v))*chartPlotHigh }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(&b, `<text x="%d" y="22" font-size="15">%s</text>`+"\n", chartLeft, html.EscapeString(c.title))
	for e := across.from; e <= across.to; e++ {
		x := px(math.Pow10(e))
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x, chartTop, chartHeight-chartBottom, x, chartHeight-chartBottom+18, decade(e))
	}
	for e := up.from; e <= up.to; e++ {
		y := py(math.Pow10(e))
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", chartLeft, y, chartWidth-chartRight, chartLeft-8, y+4, decade(e))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">hosts</text>`+"\n", chartLeft+chartPlotWidth/2, chartHeight-10)
	fmt.Fprintf(&b, `<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", chartTop+chartPlotHigh/2, html.EscapeString(c.unit))
	var named []float64 // where names stand
	for i, l := range c.lines {
		color := chartColors[i%len(chartColors)]
		var points []string
		for k := range l.x {
			points = append(points, fmt.Sprintf("%.1f,%.1f", px(l.x[k]), py(l.y[k])))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), color)
		for k := range l.x {
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", px(l.x[k]), py(l.y[k]), color)
		}
		last := len(l.x) - 1
		y := apart(py(l.y[last])+4, named)
		named = append(named, y)
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", px(l.x[last])+8, y, color, html.EscapeString(l.name))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// apart is the place nearest to y, below or above, that is a line of text away from all others.
func apart(y float64, others []float64) float64 {
	const high = 14
	for shift := 0.0; ; shift++ {
		for _, at := range []float64{y + shift, y - shift} {
			if !slices.ContainsFunc(others, func(o float64) bool { return math.Abs(o-at) < high }) {
				return at
			}
		}
	}
}

// decade is a power of ten as people write it.
func decade(e int) string {
	if e < 0 {
		return fmt.Sprintf("%.*f", -e, math.Pow10(e))
	}
	return grouped(int(math.Pow10(e)))
}

// grouped is a number with a comma between thousands.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
