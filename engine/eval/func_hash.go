package eval

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
)

var hashFunctions = []entry{
	{"base64sha256(text)", "The SHA-256 sum of the text, in base64.", always(textTo(sum(sha256.New, base64.StdEncoding.EncodeToString)))},
	{"base64sha512(text)", "The SHA-512 sum of the text, in base64.", always(textTo(sum(sha512.New, base64.StdEncoding.EncodeToString)))},
	{"md5(text)", "The MD5 sum of the text, in hexadecimal digits.", always(textTo(sum(md5.New, hex.EncodeToString)))},
	{"sha1(text)", "The SHA-1 sum of the text, in hexadecimal digits.", always(textTo(sum(sha1.New, hex.EncodeToString)))},
	{"sha256(text)", "The SHA-256 sum of the text, in hexadecimal digits.", always(textTo(sum(sha256.New, hex.EncodeToString)))},
	{"sha512(text)", "The SHA-512 sum of the text, in hexadecimal digits.", always(textTo(sum(sha512.New, hex.EncodeToString)))},
}

// sum hashes a text and writes the sum in an encoding.
func sum(algorithm func() hash.Hash, encode func([]byte) string) func(string) (string, error) {
	return func(s string) (string, error) {
		h := algorithm()
		_, _ = h.Write([]byte(s)) // a hash takes everything
		return encode(h.Sum(nil)), nil
	}
}
