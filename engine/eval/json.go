package eval

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// ToJSON is a value as JSON, for events. What is unknown is left out of an object or map, and null elsewhere; what is sensitive is
// the string "(sensitive)". Object keys are sorted; a set is an array.
func ToJSON(v cty.Value) json.RawMessage {
	var b bytes.Buffer
	writeJSON(&b, v)
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, v cty.Value) {
	switch {
	case v == cty.NilVal:
		b.WriteString("null")
	case v.IsMarked():
		writeString(b, Hidden)
	case v.IsNull() || !v.IsKnown():
		b.WriteString("null")
	default:
		writeKnown(b, v)
	}
}

func writeKnown(b *bytes.Buffer, v cty.Value) {
	switch ty := v.Type(); {
	case ty == cty.String:
		writeString(b, v.AsString())
	case ty == cty.Number:
		f := v.AsBigFloat()
		if f.IsInf() {
			b.WriteString("null")
			return
		}
		if f.IsInt() {
			b.WriteString(f.Text('f', 0))
			return
		}
		b.WriteString(f.Text('g', -1))
	case ty == cty.Bool:
		if v.True() {
			b.WriteString("true")
		} else {
			b.WriteString("false")
		}
	case ty.IsObjectType() || ty.IsMapType():
		writeObject(b, v)
	case v.CanIterateElements():
		b.WriteByte('[')
		first := true
		for it := v.ElementIterator(); it.Next(); {
			if !first {
				b.WriteByte(',')
			}
			first = false
			_, element := it.Element()
			writeJSON(b, element)
		}
		b.WriteByte(']')
	default: // a capsule: nothing that JSON could say
		b.WriteString("null")
	}
}

func writeObject(b *bytes.Buffer, v cty.Value) {
	values := v.AsValueMap()
	keys := make([]string, 0, len(values))
	for key, value := range values {
		if value.IsKnown() {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	b.WriteByte('{')
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(b, key)
		b.WriteByte(':')
		writeJSON(b, values[key])
	}
	b.WriteByte('}')
}

// longString is how much of a string is encoded at a time: the encoder holds copies of what it is given, and scripts print much.
const longString = 16 << 10

func writeString(b *bytes.Buffer, s string) {
	if len(s) > longString {
		b.Grow(len(s) + len(s)/8)
	}
	b.WriteByte('"')
	var piece bytes.Buffer
	encoder := json.NewEncoder(&piece)
	encoder.SetEscapeHTML(false)
	for len(s) > 0 {
		n := len(s)
		if n > longString {
			for n = longString; n > longString-utf8.UTFMax && !utf8.RuneStart(s[n]); n-- {
			}
		}
		piece.Reset()
		_ = encoder.Encode(s[:n]) // a string always can be said
		b.Write(piece.Bytes()[1 : piece.Len()-2])
		s = s[n:]
	}
	b.WriteByte('"')
}
