package config

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
)

// checkJSON measures a text of HCL's JSON variant: its own brackets, and the templates that its strings are.
func checkJSON(src []byte, name string) hcl.Diagnostics {
	depth, tokens := 0, 0
	key := "" // the last string that a colon followed
	for at := 0; at < len(src); at++ {
		switch src[at] {
		case '[', '{':
			tokens++
			if depth++; depth > MaxNesting {
				return hcl.Diagnostics{errorAt(rangeAt(src, name, at, at+1), "Nested too deep", "What begins here is more than 200 brackets deep.")}
			}
		case ']', '}':
			tokens++
			depth = max(depth-1, 0)
		case '"':
			end := stringEnd(src, at)
			if diags := checkJSONString(src[at:end], key, name); diags.HasErrors() {
				diags[0].Subject = rangeAt(src, name, at, end).Ptr()
				return diags
			}
			if next := bytes.TrimLeft(src[end:min(end+64, len(src))], " \t\r\n"); len(next) > 0 && next[0] == ':' {
				key = string(src[at:end])
			}
			tokens++
			at = end - 1
		case ',', ':':
			tokens += 2 // with the literal beside it
		}
		if tokens > maxTokens {
			return hcl.Diagnostics{errorAt(rangeAt(src, name, at, at+1), "File too complex",
				"The text up to here has more parts than a playbook can have. Keep large data in files of their own.")}
		}
	}
	return nil
}

// stringEnd is the offset behind the string that begins at from.
func stringEnd(src []byte, from int) int {
	for at := from + 1; at < len(src); at++ {
		switch src[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(src)
}

// checkJSONString measures one string, with its quotes. The value of a variable's type is an expression, all others are templates.
func checkJSONString(quoted []byte, key, name string) hcl.Diagnostics {
	if len(quoted) <= MaxNesting {
		return nil
	}
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return nil // for the parser to say
	}
	if key == `"type"` {
		return checkNesting([]byte(text), name)
	}
	return CheckTemplate([]byte(text), name)
}
