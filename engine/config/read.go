package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
)

// MaxFileSize is how large a playbook or an inventory may be.
const MaxFileSize = 4 << 20

// ReadFile reads and parses one file of HCL, or of its JSON variant where the name ends in .json. A file that is missing, a folder, too
// large, nested too deep or no UTF-8 is a diagnostic, and never reaches the parser. The file is nil only where it could not be read;
// otherwise it has the bytes, so that diagnostics can show them, and a body where there was one to make out.
func ReadFile(path string) (*hcl.File, hcl.Diagnostics) {
	src, diags := readSource(path)
	if diags.HasErrors() {
		return nil, diags
	}
	return Parse(src, path)
}

// Parse is ReadFile for a text that is there already; name is what ranges say.
func Parse(src []byte, name string) (*hcl.File, hcl.Diagnostics) {
	if diags := checkText(src, name); diags.HasErrors() {
		return &hcl.File{Bytes: src, Body: hcl.EmptyBody()}, diags
	}
	if strings.HasSuffix(name, ".json") {
		file, diags := hcljson.Parse(src, name)
		if file == nil {
			file = &hcl.File{Bytes: src, Body: hcl.EmptyBody()}
		}
		return file, withinText(src, name, diags)
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	return file, plainer(src, name, shellHints(src, name, diags))
}

// withinText moves ranges that reach beyond the end of the text, as those of the JSON parser do where something is not closed, to its end.
func withinText(src []byte, name string, diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		for _, r := range []*hcl.Range{d.Subject, d.Context} {
			if r != nil && r.End.Byte > len(src) {
				*r = rangeAt(src, name, r.Start.Byte, len(src))
			}
		}
	}
	return diags
}

// readSource reads a file, and at most one byte more than it may have.
func readSource(path string) ([]byte, hcl.Diagnostics) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, sourceless("Not a file", "%s is a folder. Name the file in it.", path)
	}
	src, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(src) > MaxFileSize {
		return nil, sourceless("File too large", "%s is larger than 4 MiB. Keep large texts in files of their own and read them with file(\"…\").", path)
	}
	return src, nil
}

func unreadable(path string, err error) hcl.Diagnostics {
	cause := err
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		cause = pathErr.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return sourceless("File not found", "There is no file %s.", path)
	}
	return sourceless("File cannot be read", "%s: %s.", path, cause)
}

// sourceless is an error about a file as a whole.
func sourceless(summary, detail string, args ...any) hcl.Diagnostics {
	d := errorAt(hcl.Range{}, summary, detail, args...)
	d.Subject = nil
	return hcl.Diagnostics{d}
}

// checkText refuses what the parsers cannot be trusted with.
func checkText(src []byte, name string) hcl.Diagnostics {
	if len(src) > MaxFileSize {
		return sourceless("File too large", "%s is larger than 4 MiB.", name)
	}
	if !utf8.Valid(src) {
		at := 0
		for at < len(src) {
			r, size := utf8.DecodeRune(src[at:])
			if r == utf8.RuneError && size <= 1 {
				break
			}
			at += size
		}
		return hcl.Diagnostics{errorAt(rangeAt(src, name, at, at+1), "Not UTF-8 text",
			"The byte 0x%02x here is no part of a UTF-8 text. Save the file as UTF-8; binary data does not belong into it.", src[at])}
	}
	if strings.HasSuffix(name, ".json") {
		return checkJSON(src, name)
	}
	return checkNesting(src, name)
}
