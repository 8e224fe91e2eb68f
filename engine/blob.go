package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"cvsplay/engine/eval"
)

var sensitiveMark = eval.Sensitive

// A Blob is the content of a file: a text that is at hand, or a file on the controller of any size. Modules pass it on and
// compare its hash; they never open it.
type Blob struct {
	Size   int64
	SHA256 string // hex
	Secret bool   // never printed, never shown in a diff
	Text   []byte // the content itself, where Source is ""
	Source string // path on the controller
}

// TextBlob makes a Blob of bytes that are at hand.
func TextBlob(text []byte, secret Secrecy) Blob {
	sum := sha256.Sum256(text)
	return Blob{Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), Secret: bool(secret), Text: text}
}

// Secrecy says whether a content may be shown.
type Secrecy bool

// The two kinds of content.
const (
	Public Secrecy = false
	Secret Secrecy = true
)

// Open gives the content.
func (b Blob) Open() (io.ReadCloser, error) {
	if b.Source == "" {
		return io.NopCloser(bytes.NewReader(b.Text)), nil
	}
	return os.Open(b.Source)
}

// fileBlob hashes a file on the controller.
func fileBlob(path string, secret Secrecy) (Blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return Blob{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Blob{}, err
	}
	if !st.Mode().IsRegular() {
		return Blob{}, fmt.Errorf("%s is not a regular file", path)
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return Blob{}, err
	}
	return Blob{Size: n, SHA256: hex.EncodeToString(h.Sum(nil)), Secret: bool(secret), Source: path}, nil
}

func blobOf(arg Arg, text string, secret bool) (Blob, error) {
	if arg.As == AsSource {
		return fileBlob(text, Secrecy(secret))
	}
	return TextBlob([]byte(text), Secrecy(secret)), nil
}
