package eval

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cvsplay/engine/config"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// maxContent is how large a file may be that an expression reads: it travels inside of an argument.
const maxContent = 16 << 20

// files is what the functions of one Functions call share.
type files struct {
	FuncContext
	contents    sync.Map // path → func() ([]byte, error), which reads once
	inTemplates map[string]function.Function
}

func fileFunctions() []entry {
	return []entry{
		{"abspath(path)", "The path from the root.", (*files).abspath},
		{"basename(path)", "The last element of a path.", always(textTo(func(s string) (string, error) { return filepath.Base(s), nil }))},
		{"dirname(path)", "The path without its last element.", always(textTo(func(s string) (string, error) { return filepath.Dir(s), nil }))},
		{"env(name, default)", "A variable of cvsplay's own environment; unset is an error without a default.", (*files).env},
		{"file(path)", "The UTF-8 text in a file beside this one; ~/ and absolute paths are allowed.", (*files).file},
		{"filebase64(path)", "The bytes of a file, in base64.", ofContent(base64.StdEncoding.EncodeToString)},
		{"fileexists(path)", "Whether there is such a file.", (*files).fileexists},
		{"filemd5(path)", "The MD5 sum of a file.", ofContent(func(b []byte) string { s := md5.Sum(b); return hex.EncodeToString(s[:]) })},
		{"fileset(path, pattern)", "The files below a folder that a pattern with *, **, ?, [a-z] and {a,b} names.", (*files).fileset},
		{"filesha1(path)", "The SHA-1 sum of a file.", ofContent(func(b []byte) string { s := sha1.Sum(b); return hex.EncodeToString(s[:]) })},
		{"filesha256(path)", "The SHA-256 sum of a file.", ofContent(func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) })},
		{"filesha512(path)", "The SHA-512 sum of a file.", ofContent(func(b []byte) string { s := sha512.Sum512(b); return hex.EncodeToString(s[:]) })},
		{"pathexpand(path)", "The path with your home folder for ~.", (*files).pathexpand},
		{"templatefile(path, values)", "The text in a file with ${…} and %{…} replaced; the names in it are those of values.", (*files).templatefile},
	}
}

// resolve is where a path of the language is on the disk.
func (f *files) resolve(path string) (string, error) {
	expanded, err := f.expand(path)
	if err != nil || filepath.IsAbs(expanded) {
		return expanded, err
	}
	return filepath.Join(f.Dir, expanded), nil
}

// expand puts the home folder in.
func (f *files) expand(path string) (string, error) {
	switch {
	case path == "":
		return "", errors.New("the path is empty")
	case path != "~" && !strings.HasPrefix(path, "~/"):
		if strings.HasPrefix(path, "~") {
			return "", errors.New("only your own home folder can be written as ~")
		}
		return path, nil
	case f.Home == "":
		return "", errors.New("there is no home folder that ~ could stand for")
	}
	return filepath.Join(f.Home, path[1:]), nil
}

// content reads a file, once.
func (f *files) content(path string) ([]byte, error) {
	at, err := f.resolve(path)
	if err != nil {
		return nil, err
	}
	read, _ := f.contents.LoadOrStore(at, sync.OnceValues(func() ([]byte, error) { return readFile(at) }))
	return read.(func() ([]byte, error))()
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxContent+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if len(content) > maxContent {
		return nil, fmt.Errorf("%s is larger than 16 MiB; give it to a step by source, which takes a file of any size", path)
	}
	return content, nil
}

func fileError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s", path)
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}

// text is the content of a file that has to be UTF-8.
func (f *files) text(path string) (string, error) {
	content, err := f.content(path)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(content) || strings.ContainsRune(string(content), 0) {
		return "", fmt.Errorf("%s is no UTF-8 text; give it to a step by source, which takes any bytes, or use filebase64", path)
	}
	return string(content), nil
}

// pathTo is a function that makes a text of a path.
func pathTo(f func(string) (string, error)) function.Function { return stringTo("path", f) }

// ofContent is a function of a file's bytes.
func ofContent(of func([]byte) string) func(*files) function.Function {
	return func(f *files) function.Function {
		return pathTo(func(path string) (string, error) {
			content, err := f.content(path)
			if err != nil {
				return "", err
			}
			return of(content), nil
		})
	}
}

func (f *files) file() function.Function       { return pathTo(f.text) }
func (f *files) pathexpand() function.Function { return pathTo(f.expand) }

func (f *files) abspath() function.Function {
	return pathTo(func(path string) (string, error) {
		at, err := f.resolve(path)
		if err != nil {
			return "", err
		}
		return filepath.Abs(at)
	})
}

func (f *files) fileexists() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			at, err := f.resolve(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			info, err := os.Stat(at)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return cty.NilVal, function.NewArgError(0, fileError(at, err))
			}
			return cty.BoolVal(err == nil && !info.IsDir()), nil
		},
	})
}

func (f *files) env() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "env takes a name and one default")
			}
			name := args[0].AsString()
			if f.Env != nil {
				if value, set := f.Env(name); set {
					return cty.StringVal(value), nil
				}
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "the environment variable %s is not set, and no default is given", name)
		},
	})
}

func (f *files) templatefile() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "values", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if t := args[1].Type(); !t.IsObjectType() && !t.IsMapType() {
				return cty.NilVal, function.NewArgErrorf(1, "an object of the names in the template is needed")
			}
			return f.render(args[0].AsString(), args[1].AsValueMap())
		},
	})
}

// render fills in a template. Templates do not call templatefile: it could be themselves.
func (f *files) render(path string, values map[string]cty.Value) (cty.Value, error) {
	text, err := f.text(path)
	if err != nil {
		return cty.NilVal, function.NewArgError(0, err)
	}
	diags := config.CheckTemplate([]byte(text), path)
	if diags.HasErrors() {
		return cty.NilVal, templateError(diags)
	}
	template, diags := hclsyntax.ParseTemplate([]byte(text), path, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, templateError(diags)
	}
	functions := maps.Clone(f.inTemplates)
	delete(functions, "templatefile")
	v, diags := Scope{Functions: functions, Values: values}.Value(template)
	if diags.HasErrors() {
		return cty.NilVal, templateError(diags)
	}
	out, err := convert.Convert(v, cty.String)
	if err != nil {
		return cty.NilVal, function.NewArgErrorf(0, "the template %s gives %s and no text", path, article(v.Type().FriendlyName()))
	}
	return out, nil
}

// templateError is the first error of a template, with its place.
func templateError(diags hcl.Diagnostics) error {
	d := diags[slices.IndexFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagError })]
	at := ""
	if d.Subject != nil {
		at = fmt.Sprintf("%s:%d,%d: ", d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column)
	}
	return function.NewArgErrorf(0, "%s%s: %s", at, d.Summary, d.Detail)
}
