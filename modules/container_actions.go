package modules

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"cvsplay/engine"
)

// The texts that change containers. All values travel as arguments ($1 …), secrets on standard input. A text that touches a container names it by
// its id, so that it can never touch another that has taken the name meanwhile.

// removeContainer removes containers by their ids. The words come back on its output: a decision has no memory but the outcomes.
func removeContainer(runtime, words string, ids ...string) engine.Shell {
	return engine.Shell{Text: engine.RuntimePrelude(runtime) + engine.RuntimeRemove(runtime) + removeText, Args: ids, Stdin: []byte(words), Limit: 2 * time.Minute}
}

// Somebody else may remove the same container at the same time: gone is gone.
const removeText = `cat
ctr_find || { ctr; exit; }
rc=0
for id in "$@"; do
	for second in 1 2 3 4 5 6 7 8 9 10; do
		said=$(ctr_remove "$id" 2>&1 >/dev/null </dev/null) && break
		case $said in
		*'o such container'* | *'no container with'*) break ;;
		*'already in progress'*) [ "$second" = 10 ] || { sleep 1; continue; } ;;
		esac
		printf '%s\n' "$said" >&2
		rc=1
		break
	done
done
exit "$rc"
`

func startContainer(runtime, id string, limit time.Duration) engine.Shell {
	return engine.Shell{Text: engine.RuntimePrelude(runtime) + "ctr start \"$1\" >/dev/null </dev/null\n", Args: []string{id}, Limit: limit}
}

func unpauseContainer(runtime, id string, limit time.Duration) engine.Shell {
	return engine.Shell{Text: engine.RuntimePrelude(runtime) + "ctr unpause \"$1\" >/dev/null </dev/null\n", Args: []string{id}, Limit: limit}
}

func stopContainer(runtime, id string) engine.Shell {
	return engine.Shell{Text: engine.RuntimePrelude(runtime) + "ctr stop -t 10 \"$1\" >/dev/null </dev/null\n", Args: []string{id}, Limit: 2 * time.Minute}
}

func renameContainer(runtime, id, name string) engine.Shell {
	return engine.Shell{Text: engine.RuntimePrelude(runtime) + "ctr rename \"$1\" \"$2\" </dev/null\n", Args: []string{id, name}, Limit: 2 * time.Minute}
}

// launchContainer starts a container of an image that is on the host: nothing is pulled here. The first two words are its name. The container tells by its
// labels where the shells of its run are to be seen.
func launchContainer(runtime, run string, words []string, limit time.Duration) engine.Shell {
	return engine.Shell{Text: engine.RuntimePrelude(runtime) + lookForRuns + "run=" + engine.Quote(run) + "\n" + launchText, Args: words, Limit: limit}
}

// Two runs that look at the same moment both find the name free. The one that began earlier, by its id, then waits for the other to find it taken
// somewhere and to roll back: one of them goes on, and exactly one.
const launchText = `ctr_find || { ctr; exit; }
boot_here
tries=0
until said=$(ctr run -d --pull=never --label "` + labelBoot + `=$life_boot" --label "` + labelPIDNS + `=$life_pidns" "$@" 2>&1 </dev/null); do
	rc=$? other= again=no
	case $said in *'name '*' is already in use'*)
		if other=$(ctr container inspect --format '{{index .Config.Labels "` + labelRun + `"}}' "$2" 2>/dev/null </dev/null); then
			[ "$other" != '<no value>' ] || other=
			first=$(printf '%s\n%s\n' "$run" "$other" | sort | head -n 1)
			[ -z "$other" ] || [ "$other" = "$run" ] || [ "$first" != "$run" ] || again=yes
		else
			again=yes
		fi
		;;
	esac
	if [ "$again" = no ] || [ "$tries" -ge 60 ]; then
		printf '%s\n' "$said" | grep -v '^[0-9a-f]*$' >&2
		[ -z "$other" ] || printf 'another run has taken the name meanwhile: %s\n' "$other" >&2
		exit "$rc"
	fi
	tries=$((tries+1))
	sleep 1
done
printf '%s\n' "$said"
`

func loadImage(runtime, tar string, ref reference, limit time.Duration) engine.Shell {
	return engine.Shell{
		Text: engine.RuntimePrelude(runtime) + engine.RuntimeLoad(runtime) + "ctr_load \"$1\" \"$2\" \"$3\"\n",
		Args: []string{tar, ref.Tagged(), ref.unqualified()}, Limit: limit,
	}
}

// pullImage pulls by the first name and gives the image the second one, if any.
func (a containerArgs) pullImage(ref reference) engine.Shell {
	pull, tag := ref.Tagged(), ""
	if ref.Digest != "" {
		pull, tag = ref.Pinned(), ref.Tagged()
	}
	sh := engine.Shell{Args: []string{pull, tag}, Limit: a.StartTimeout}
	text := engine.RuntimePrelude(a.Runtime)
	if a.Registry == nil || a.Registry.Username == "" {
		sh.Text = text + "ctr pull -q \"$1\" </dev/null" + tagPulled
		return sh
	}
	sh.Args = append(sh.Args, a.Registry.Server, a.Registry.Username, a.Registry.PasswordFile)
	sh.Stdin = []byte(a.Registry.Password)
	sh.Text = text + engine.RuntimePullAs(a.Runtime) + pullLoggedIn + tagPulled
	return sh
}

// The password comes on standard input, or from a file on the host.
const pullLoggedIn = `[ -z "$5" ] || exec <"$5" || exit
ctr_pull_as "$1" "$3" "$4"`

const tagPulled = ` && { [ -z "$2" ] || ctr tag "$1" "$2" </dev/null; }` + "\n"

// provision runs the setup script as root inside. It crosses on standard input and is read from there as descriptor 3, so that its
// commands have an empty input and its length no limit.
func (a containerArgs) provision(id string) engine.Shell {
	return engine.Shell{
		Text:  engine.RuntimePrelude(a.Runtime) + "ctr exec -i -u 0 \"$1\" /bin/sh -c \"$2\"\n",
		Args:  []string{id, interpreterLine(a.SetupScript)},
		Stdin: []byte(a.SetupScript),
		Limit: a.SetupTimeout,
		Keep:  256 << 10,
	}
}

// interpreterLine is the shell command, inside the container, that runs a script from descriptor 3.
func interpreterLine(script string) string {
	const streams = " /dev/fd/3 3<&0 </dev/null"
	line, _, _ := strings.Cut(script, "\n")
	bang, ok := strings.CutPrefix(strings.TrimRight(line, "\r"), "#!")
	words := strings.Fields(bang)
	if !ok || len(words) == 0 || bang == "" {
		return shLine([]string{"/bin/sh"}, streams)
	}
	shell := path.Base(words[0])
	if shell == "env" && len(words) > 1 {
		shell = path.Base(words[len(words)-1])
	}
	switch shell {
	case "sh", "dash", "ash":
		return shLine(words, streams)
	case "bash", "ksh", "mksh", "zsh":
		return "exec " + engine.QuoteAll(words...) + " -e -o pipefail" + streams
	}
	return "exec " + engine.QuoteAll(words...) + streams
}

// shLine tries whether this sh knows pipefail: dash did not for long.
func shLine(words []string, streams string) string {
	sh := engine.QuoteAll(words...)
	return fmt.Sprintf("if %s -c 'set -o pipefail' 2>/dev/null </dev/null; then exec %s -e -o pipefail%s; else exec %s -e%s; fi", sh, sh, streams, sh, streams)
}

// healthQuestion waits until the container's health check has an opinion, and tells it.
func healthQuestion(runtime, id string, wait time.Duration) engine.Shell {
	return engine.Shell{
		Text: engine.RuntimePrelude(runtime) + engine.RuntimeCheckHealth(runtime) + healthText, Args: []string{id, fmt.Sprint(int(wait.Seconds()))}, Limit: wait + 30*time.Second,
	}
}

const healthText = `left=$2
while :; do
	said=$(ctr container inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' "$1" 2>&1 </dev/null) || said="error $said"
	case $said in starting | unhealthy) ;; *) break ;; esac
	[ "$left" -gt 0 ] || break
	ctr_check_health "$1"
	left=$((left-1))
	sleep 1
done
printf 'health %s\n' "$said"
if [ "$said" = unhealthy ]; then
	ctr container inspect --format '{{range .State.Health.Log}}{{.Output}}{{end}}' "$1" 2>/dev/null </dev/null | uniq | tail -n 5
fi
`

// readHealth gives the health check's opinion, and what it printed.
func readHealth(a engine.Answer) (status, words string) {
	first, rest, _ := strings.Cut(strings.TrimSpace(a.Stdout.String()), "\n")
	status, ok := strings.CutPrefix(first, "health ")
	if !ok || a.Code != 0 && status == "" {
		return "unknown", strings.TrimSpace(a.Stderr.String())
	}
	return status, strings.TrimSpace(rest)
}

// launchWords are the words of the run command: name, labels, settings, image, command.
func (h *containerHost) launchWords(name string) []string {
	digest := h.ref.Digest
	if digest == "" && h.image != nil {
		if d := h.image.digests(h.ref); len(d) > 0 {
			digest = d[0]
		}
	}
	labels := []string{
		labelOwner + "=" + ownerName, labelRun + "=" + h.Run, labelLifetime + "=" + h.Args.Lifetime,
		labelSpec + "=" + h.spec.hash(), labelDigest + "=" + digest, labelBy + "=" + h.By,
	}
	if h.Keep && h.Args.Lifetime == perRun {
		labels = append(labels, labelKept+"=true")
	}
	words := []string{"--name", name}
	for _, l := range labels {
		words = append(words, "--label", l)
	}
	words = append(words, h.spec.flags()...)
	words = append(words, h.ref.String())
	return slices.Concat(words, h.spec.Command)
}
