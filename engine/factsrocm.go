package engine

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

var rocmFamily = Family{
	Name: "rocm",
	Doc:  "Which ROCm is installed on the host itself: the newest `/opt/rocm/core-*`, else `/opt/rocm`.",
	Facts: []Fact{
		{Name: "path", Type: cty.String, Doc: "Its folder; null where there is no ROCm."},
		{Name: "version", Type: cty.String, Doc: "`\"7.0.2\"`, without the number of the build; null where there is no ROCm, or nothing tells which."},
	},
	// One line for each: its folder, then its version where a file has it. A file that cannot be read fails the question.
	ask: Shell{Text: `# facts: rocm
for at in /opt/rocm /opt/rocm/core-*; do
	[ -d "$at" ] || continue
	echo "@rocm $at"
	[ ! -e "$at/.info/version" ] || cat "$at/.info/version" || exit 1
done
`},
	read: readROCm,
}

type rocmFacts struct {
	Path    *string `cty:"path"`
	Version *string `cty:"version"`
}

var rocmVersion = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`)

func readROCm(a Answer) (any, error) {
	var found rocmFacts
	for _, s := range passagesOf(a.Stdout.String()) {
		at := strings.Join(s.words, " ")
		version := rocmVersion.FindString(strings.TrimSpace(s.text))
		core, isCore := strings.CutPrefix(path.Base(at), "core-")
		switch {
		case version == "" && strings.TrimSpace(s.text) != "":
			return nil, fmt.Errorf("%s/.info/version holds no version: %s", at, excerpt(s.text))
		case version == "" && isCore:
			version = rocmVersion.FindString(core)
		}
		if found.Path == nil || isCore && (!strings.Contains(*found.Path, "/core-") || newer(version, found.Version)) {
			found = rocmFacts{Path: told(at), Version: told(version)}
		}
	}
	return found, nil
}

// newer tells whether a version is above another one, which may not be known.
func newer(version string, than *string) bool {
	return than == nil || eval.CompareVersions(version, *than) > 0
}
