package shell

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"cvsplay/engine/remote"
)

// defaultKeep is what a script's Exit keeps of each stream where the script does not say.
const defaultKeep = 1 << 20

// A capture keeps the first bytes of one stream, and counts and hashes all of them once there are more.
type capture struct {
	keep int64
	kept []byte
	size int64
	sum  hash.Hash // set from the first byte that is not kept
}

func newCapture(keep int64) capture {
	if keep <= 0 {
		keep = defaultKeep
	}
	return capture{keep: keep}
}

func (c *capture) write(p []byte) {
	room := min(c.keep-int64(len(c.kept)), int64(len(p)))
	if room < int64(len(p)) && c.sum == nil {
		c.sum = sha256.New()
		c.sum.Write(c.kept)
	}
	if need := int64(len(c.kept)) + room; need > int64(cap(c.kept)) { // it doubles, and never has room for more than is kept
		c.kept = append(make([]byte, 0, min(c.keep, max(2*int64(cap(c.kept)), need))), c.kept...)
	}
	c.kept = append(c.kept, p[:room]...)
	c.size += int64(len(p))
	if c.sum != nil {
		c.sum.Write(p)
	}
}

// trim takes the last bytes back. What was cut off already stays as it was counted.
func (c *capture) trim(n int) {
	if c.sum == nil && len(c.kept) >= n {
		c.kept = c.kept[:len(c.kept)-n]
		c.size -= int64(n)
	}
}

func (c *capture) output() remote.Output {
	out := remote.Output{Bytes: c.kept, Size: c.size}
	if c.sum != nil {
		out.SHA256 = hex.EncodeToString(c.sum.Sum(nil))
	}
	return out
}
