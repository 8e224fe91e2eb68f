package shell

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// Quote makes one shell word of s, byte for byte, in any POSIX shell. s must not hold NUL, which no shell can carry.
func Quote(s string) string {
	if s != "" && strings.IndexFunc(s, needsQuotes) < 0 {
		return s
	}
	var b bytes.Buffer
	b.Grow(len(s) + 8)
	quote(&b, s)
	return b.String()
}

// quote writes the same as Quote gives, without a copy of s in between.
func quote(b *bytes.Buffer, s string) {
	if s != "" && strings.IndexFunc(s, needsQuotes) < 0 {
		b.WriteString(s)
		return
	}
	b.WriteByte('\'')
	for {
		part, rest, found := strings.Cut(s, "'")
		b.WriteString(part)
		if !found {
			break
		}
		b.WriteString(`'\''`)
		s = rest
	}
	b.WriteByte('\'')
}

func needsQuotes(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	switch r {
	case '_', '-', '.', '/', ':', ',', '+', '@':
		return false
	}
	return true
}

// Nonce returns 128 random bits in hex.
func Nonce() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
