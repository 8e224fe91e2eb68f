package eval

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxFiles is how many files fileset looks at before it gives up: a pattern that begins at / is a mistake.
const maxFiles = 100_000

func (f *files) fileset() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			at, err := f.resolve(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			patterns, err := alternatives(args[1].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(1, err)
			}
			names, err := filesBelow(at, patterns)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			if len(names) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			return cty.SetVal(stringList(names).AsValueSlice()), nil
		},
	})
}

// filesBelow are the regular files (and links to such) below a folder whose relative path fits a pattern.
func filesBelow(dir string, patterns [][]string) ([]string, error) {
	depth := 0
	for _, pattern := range patterns {
		if slices.Contains(pattern, "**") {
			depth = 64
		}
		depth = max(depth, len(pattern))
	}
	var found []string
	seen := 0
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			if name == "." {
				return fileError(dir, err)
			}
			return nil // a folder that nobody may read holds nothing for us
		}
		if seen++; seen > maxFiles {
			return errors.New("there are more than 100,000 files below this folder")
		}
		parts := strings.Split(name, "/")
		if entry.IsDir() {
			if name != "." && len(parts) >= depth {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.ContainsFunc(patterns, func(p []string) bool { return fits(p, parts) }) {
			return nil
		}
		if info, err := fs.Stat(root, name); err == nil && info.Mode().IsRegular() {
			found = append(found, name)
		}
		return nil
	})
	return found, err
}

// fits tells whether a path matches a pattern, element by element; ** is any number of elements.
func fits(pattern, parts []string) bool {
	for i, element := range pattern {
		if element == "**" {
			for skip := i; skip <= len(parts); skip++ {
				if fits(pattern[i+1:], parts[skip:]) {
					return true
				}
			}
			return false
		}
		if i >= len(parts) {
			return false
		}
		if ok, _ := path.Match(element, parts[i]); !ok {
			return false
		}
	}
	return len(pattern) == len(parts)
}

// alternatives writes out the {a,b} of a pattern and cuts each result into elements.
func alternatives(pattern string) ([][]string, error) {
	texts := []string{pattern}
	for again := true; again; {
		again = false
		var next []string
		for _, text := range texts {
			open := strings.IndexByte(text, '{')
			length := strings.IndexByte(text[max(open, 0):], '}')
			if open < 0 || length < 0 {
				next = append(next, text)
				continue
			}
			again = true
			for choice := range strings.SplitSeq(text[open+1:open+length], ",") {
				next = append(next, text[:open]+choice+text[open+length+1:])
			}
			if len(next) > 1000 {
				return nil, errors.New("the pattern has more than 1000 alternatives")
			}
		}
		texts = next
	}
	var out [][]string
	for _, text := range texts {
		elements := strings.Split(path.Clean(text), "/")
		for _, element := range elements {
			if _, err := path.Match(element, ""); err != nil {
				return nil, errors.New("this is no pattern: a [ without its ], or a \\ at the end")
			}
		}
		if strings.Count(text, "**") > 3 {
			return nil, errors.New("the pattern has more than three **")
		}
		out = append(out, elements)
	}
	return out, nil
}
