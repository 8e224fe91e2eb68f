package shell

import (
	"bytes"

	"cvsplay/engine/remote"
)

// Enclose renders a script as text that any POSIX shell can run as part of a larger program, in a process of its own, with its arguments,
// environment and standard input, whatever the script's text holds. It is for shells that are not a session of ours, such as
// the one inside a container; they are expected to have been given FrameVar in their environment.
//
// The script must be one that a shell can carry: no NUL byte but in Stdin.
func Enclose(s remote.Script) string {
	var b bytes.Buffer
	frame{script: &s, id: "$" + FrameVar}.foreign(&b)
	return b.String()
}
