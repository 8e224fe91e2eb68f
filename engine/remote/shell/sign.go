package shell

import "strings"

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
