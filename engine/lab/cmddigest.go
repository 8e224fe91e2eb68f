package lab

import (
	"bufio"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
)

// digestCommands are sha256sum and its like.
func digestCommands() map[string]Command {
	out := map[string]Command{}
	for name, make := range map[string]func() hash.Hash{
		"md5sum": md5.New, "sha1sum": sha1.New, "sha224sum": sha256.New224, "sha256sum": sha256.New, "sha384sum": sha512.New384, "sha512sum": sha512.New,
	} {
		out[name] = command("b,binary t,text c,check q,quiet status w,warn z,zero ignore-missing strict", 1, func(c *cmdline) int {
			if c.has("c") {
				return c.checkDigests(make)
			}
			return c.showDigests(make)
		})
	}
	return out
}

func (c *cmdline) showDigests(make func() hash.Hash) int {
	return c.buffered(func(w *bufio.Writer) int {
		return c.inputs(func(name string, r io.Reader) error {
			h := make()
			if _, err := c.pour(h, r); err != nil {
				return err
			}
			mark, end, prefix := " ", "\n", ""
			if c.has("b") {
				mark = "*"
			}
			if c.has("z") {
				end = "\x00"
			} else if strings.ContainsAny(name, "\n\\\r") {
				name, prefix = strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\r", "\\r").Replace(name), `\`
			}
			fmt.Fprintf(w, "%s%s %s%s%s", prefix, hex.EncodeToString(h.Sum(nil)), mark, name, end)
			return nil
		})
	})
}

func (c *cmdline) checkDigests(make func() hash.Hash) int {
	bad, lines := 0, 0
	code := c.inputs(func(_ string, r io.Reader) error {
		return eachLine(r, func(line string) bool {
			sum, name, ok := strings.Cut(strings.TrimSpace(line), " ")
			if !ok || len(sum) != make().Size()*2 {
				return true
			}
			lines++
			name = strings.TrimLeft(name, " *")
			h := make()
			err := c.input(name, func(_ string, r io.Reader) error {
				_, err := c.pour(h, r)
				return err
			})
			switch {
			case err != nil && c.has("ignore-missing"):
				return true
			case err != nil:
				c.p.Errorf("%s: %s", name, strerror(err))
				c.verdict(name, "FAILED open or read")
				bad++
			case !strings.EqualFold(hex.EncodeToString(h.Sum(nil)), sum):
				c.verdict(name, "FAILED")
				bad++
			case !c.has("q"):
				c.verdict(name, "OK")
			}
			return true
		})
	})
	if lines == 0 {
		c.p.Errorf("%s: no properly formatted checksum lines found", strings.Join(append(c.args, "standard input")[:1], ""))
		return 1
	}
	if bad > 0 {
		if !c.has("status") {
			c.p.Errorf("WARNING: %d computed checksum did NOT match", bad)
		}
		return 1
	}
	return code
}

func (c *cmdline) verdict(name, text string) {
	if !c.has("status") {
		fmt.Fprintf(c.p.Stdout(), "%s: %s\n", name, text)
	}
}
