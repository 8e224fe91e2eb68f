package shell

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// Quote makes one shell word of s, byte for byte, in any POSIX shell. s must not hold NUL, which no shell can carry.
func Quote(s string) string {
	if s != "" && strings.IndexFunc(s, needsQuotes) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func needsQuotes(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("_-./:,+@", r)
}

// Nonce returns 128 random bits in hex.
func Nonce() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
