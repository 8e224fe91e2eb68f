package eval

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cvsplay/engine/config"

	"github.com/hashicorp/hcl/v2"
)

// envPrefix is what the names of environment variables begin with that give values.
const envPrefix = "CVSPLAY_VAR_"

// Option reads one --var, NAME=VALUE.
func Option(text string) (Given, error) {
	name, value, ok := strings.Cut(text, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return Given{}, errors.New("--var takes NAME=VALUE, such as --var level=4")
	}
	return Given{Name: name, Source: FromOption, Origin: "--var " + name, Text: value}, nil
}

// Environment finds the values in an environment of NAME=VALUE strings, sorted by name.
func Environment(environ []string) []Given {
	var given []Given
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if short, ok := strings.CutPrefix(name, envPrefix); ok && short != "" {
			given = append(given, Given{Name: short, Source: FromEnvironment, Origin: "environment variable " + name, Text: value})
		}
	}
	slices.SortStableFunc(given, func(a, b Given) int { return strings.Compare(a.Name, b.Name) })
	return given
}

// VarFile reads a --var-file: constants by name, in HCL or, where the name ends in .json, JSON. Text in JSON is taken as it is.
func VarFile(path string) ([]Given, *config.Files, hcl.Diagnostics) {
	files := &config.Files{}
	file, diags := config.ReadFile(path)
	files.Add(path, file)
	if diags.HasErrors() {
		return nil, files, diags
	}
	attrs, more := file.Body.JustAttributes()
	diags = append(diags, more...)
	given, more := Constants(sortedAttributes(attrs), FromFile, "")
	return given, files, append(diags, more...)
}

// Constants makes given values of attributes, in a file of a source. prefix is put before the place that is each value's origin.
func Constants(attrs []*hcl.Attribute, source Source, prefix string) ([]Given, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	var given []Given
	for _, attr := range attrs {
		v, more := constant(attr.Expr)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		at := attr.Expr.Range()
		g := Given{Name: attr.Name, Source: source, Origin: fmt.Sprintf("%s%s:%d", prefix, at.Filename, at.Start.Line), Value: v, Range: &at}
		given = append(given, g)
	}
	return given, diags
}
