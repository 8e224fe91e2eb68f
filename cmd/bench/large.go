//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
)

// largeFile carries one file of 1 GiB to one host, and lets scp do the same.
func largeFile(ctx context.Context, b *bench) error {
	server, h, err := b.startSSHD(ctx)
	scp := command("scp")
	if errors.Is(err, errNotInstalled) || err == nil && scp == "" {
		b.add(goals["P12"].without("P12", "", "sshd or scp is not installed"))
		return nil
	}
	if err != nil {
		return err
	}
	defer server.close()
	h.n, h.prefix = 1, "one"
	if h, err = b.hostFiles(h); err != nil {
		return err
	}
	source, target := b.path("large"), b.path("base/large")
	if err := writeNoise(source, 1<<30); err != nil {
		return err
	}
	defer os.Remove(source)
	defer os.Remove(target)
	theirArgv := []string{scp, "-q", "-F", "none", "-i", b.path("id"), "-o", "UserKnownHostsFile=" + h.file("known"), "-P", strconv.Itoa(h.port), source, h.user + "@" + h.address(0) + ":" + target}
	var theirs, ours series
	for range b.repeats {
		for _, c := range []struct {
			to   *series
			argv []string
		}{{&theirs, theirArgv}, {&ours, b.cvsplayRun(h, "large.hcl", "--var", "base="+b.path("base"), "--var", "source="+source)}} {
			if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			u, _, err := b.measure(ctx, c.argv)
			if err != nil {
				return err
			}
			if info, err := os.Stat(target); err != nil || info.Size() != 1<<30 {
				return fmt.Errorf("the file did not arrive: %w", err)
			}
			*c.to = append(*c.to, u)
		}
		b.say("1 GiB: scp %.2f s, CPU %.2f s; cvsplay %.2f s, CPU %.2f s", theirs[len(theirs)-1].Wall, theirs[len(theirs)-1].CPU, ours[len(ours)-1].Wall, ours[len(ours)-1].CPU)
	}
	note := fmt.Sprintf("cvsplay %s s, scp %s s; cvsplay hashes the file on both sides and has it on disk when it is done", number(median(ours.wall())), number(median(theirs.wall())))
	b.add(goals["P12"].against("P12", "", ratios(ours.wall(), theirs.wall()), note).stands("two hashes, and what fsync takes"))
	return nil
}

// writeNoise makes a file that cannot be compressed.
func writeNoise(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), size)
	return errors.Join(err, f.Close())
}
