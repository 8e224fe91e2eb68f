package shell

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"
)

// SignOfLife begins the word that tells, in the argument list of a session's shell, for which run it works. Whoever looks at a host's processes sees by
// it which runs are there; the words of all accounts are readable for everybody. A run that reconnects has a gap in between.
const SignOfLife = "cvsplay-run:"

// Command is the command line of a session's shell: it reads its program from standard input, and carries its run's sign of life where it has one.
func Command(run string) []string {
	if run == "" {
		return []string{"/bin/sh"}
	}
	return []string{"/bin/sh", "-s", SignOfLife + run}
}

// CommandLine is the same as text for a shell of any kind.
func CommandLine(run string) string {
	words := Command(run)
	for i, w := range words {
		words[i] = Quote(w)
	}
	return strings.Join(words, " ")
}

// CarryingLine is the command line of a shell that first runs a program, and then is one of Command. It means the same to login shells of all kinds, whatever
// the program holds.
func CarryingLine(run string, program []byte) string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(program) // memory does not fail
	_ = w.Close()
	const name = "CVSPLAY_PROGRAM"
	read := name + "=$(echo " + base64.StdEncoding.EncodeToString(packed.Bytes()) + `|base64 -d|gzip -d)||exit;eval "$` + name + `";exec ` + CommandLine(run)
	line := "exec /bin/sh -c " + Quote(read)
	if run != "" {
		line += " /bin/sh " + Quote(SignOfLife+run)
	}
	return line
}
