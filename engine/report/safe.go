package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"cvsplay/engine/event"
)

// maxLine bounds how much of one line is shown, in bytes.
const maxLine = 2048

// Safe makes s fit to be printed on a terminal: control characters are shown as their pictures (␛ ␊) or as escapes (\u009b), and
// so are the invisible ones that reorder or hide text, and bytes that are not UTF-8 (\xff). Tabs become spaces up to the next
// multiple of eight. The result is one line of valid UTF-8; text without any of these is returned as it is.
func Safe(s string) string {
	if clean(s) {
		return s
	}
	var b strings.Builder
	column := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			column += write(&b, `\x%02x`, s[i])
		case r == '\t':
			column += write(&b, "%s", strings.Repeat(" ", 8-column%8))
		case r < ' ':
			column += write(&b, "%c", '␀'+r)
		case r == 0x7f:
			column += write(&b, "%c", '␡')
		case !hidden(r):
			b.WriteRune(r)
			column++
		case r > 0xffff:
			column += write(&b, `\U%08x`, r)
		default:
			column += write(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// write appends formatted text and gives its length in characters.
func write(b *strings.Builder, format string, args ...any) int {
	text := fmt.Sprintf(format, args...)
	b.WriteString(text)
	return utf8.RuneCountInString(text)
}

// clean tells that Safe has nothing to do, which is nearly always so.
func clean(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return cleanRunes(s[i:])
		}
	}
	return true
}

func cleanRunes(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || hidden(r) {
			return false
		}
	}
	return true
}

// hidden tells whether r moves, reorders or hides text instead of being text. The joiners are left alone: scripts and emoji need them.
func hidden(r rune) bool {
	if r < 0x7f || r == '\u200c' || r == '\u200d' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector) && !emojiSelector(r)
}

// emojiSelector tells whether r chooses between the two looks of an emoji.
func emojiSelector(r rune) bool { return r == '\ufe0e' || r == '\ufe0f' }

// safeLine is one line of a script's output, cut where it is too long to be shown.
func safeLine(e event.Event) string {
	line := e.Line
	if e.LineB64 != nil {
		line = string(e.LineB64)
	}
	return clip(line)
}

// clip is Safe of the first maxLine bytes of s, and says how many are left out.
func clip(s string) string {
	if len(s) <= maxLine {
		return Safe(s)
	}
	end := maxLine
	for end > maxLine-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return Safe(s[:end]) + fmt.Sprintf(" … (%d more bytes)", len(s)-end)
}

// safeLines is a text of several lines, each safe, without empty ones at the end.
func safeLines(s string) []string {
	s = strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), " \t\r\n")
	if s == "" {
		return nil
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = clip(line)
	}
	return lines
}
