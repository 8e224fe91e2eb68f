package config

import (
	"bytes"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format gives a text in the canonical style; formatting it once more changes nothing. A text with syntax errors comes back as it was,
// with them; so does JSON, which has no style of ours.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	if strings.HasSuffix(filename, ".json") {
		return src, sourceless("Not HCL syntax", "%s is JSON. Only files in HCL's own syntax are formatted.", filepath.Base(filename))
	}
	if _, diags := Parse(src, filename); diags.HasErrors() {
		return src, diags
	}
	return stable(src), nil
}

// stable formats until nothing changes: the library's first pass can leave alignment for a second one. A text that does not settle is
// left at the last pass.
func stable(src []byte) []byte {
	for range 4 {
		out := hclwrite.Format(src)
		if bytes.Equal(out, src) {
			break
		}
		src = out
	}
	return src
}
