package modules

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cvsplay/engine"
)

// containerFacts are what a host's container runtime told, read from the answer to one question. What is not in them is not
// there: an answer that leaves a doubt gives an error, never facts.
type containerFacts struct {
	Down       string // the runtime does not answer: its words; "": it does
	Runtime    string // docker, podman
	Arch       string // of the host, as images name it
	Containers []containerInspect
	Others     []containerInspect // all of ours, where the question was for them too
	Images     []imageInspect
	Devices    map[int][]string // what exists of each wanted device path or glob, by its place in the question
	Logs       []string         // the last lines of the containers that have exited
}

// containerInspect is what is used of the runtime's description of a container.
type containerInspect struct {
	ID      string `json:"Id"`
	Name    string
	Image   string // image id
	Created string
	State   struct {
		Status    string // created, running, paused, restarting, removing, exited, dead
		ExitCode  int
		Error     string
		StartedAt string
		Health    *struct{ Status string }
	}
	Config          containerConfig
	HostConfig      containerHostConfig
	NetworkSettings struct {
		Networks map[string]struct{}
	}
	BoundingCaps []string // podman: all capabilities that it may have
}

type containerConfig struct {
	Hostname   string
	User       string
	WorkingDir string
	Image      string // reference it was started from
	Env        []string
	Cmd        []string
	Labels     map[string]string

	// CreateCommand is podman's record of the command that made the container. Its inspect leaves settings out, or says something else.
	CreateCommand []string
}

// said are the values that the container's own run command gave to a flag (--NAME); nil where it gave none, or there is no record of it.
func (c containerConfig) said(flags ...string) []string {
	words := c.CreateCommand
	if end := len(words) - len(c.Cmd); end >= 0 && slices.Equal(words[end:], c.Cmd) {
		words = words[:end]
	}
	var out []string
	for i := 0; i < len(words); i++ {
		flag, value, joined := strings.Cut(words[i], "=")
		if !slices.Contains(flags, flag) {
			continue
		}
		if !joined && i+1 < len(words) {
			i++
			value = words[i]
		}
		out = append(out, value)
	}
	return out
}

type containerHostConfig struct {
	Binds         []string
	NetworkMode   string
	IpcMode       string
	PidMode       string
	Privileged    bool
	Init          *bool
	ShmSize       int64
	CapAdd        []string
	SecurityOpt   []string
	MaskedPaths   []string // docker: empty where nothing is masked
	ReadonlyPaths []string
	GroupAdd      []string
	RestartPolicy struct {
		Name              string
		MaximumRetryCount int
	}
	PortBindings map[string][]portBinding
	Ulimits      []struct {
		Name       string
		Hard, Soft int64
	}
	Devices []containerDevice
}

type portBinding struct{ HostIP, HostPort string }

type containerDevice struct{ PathOnHost, PathInContainer, CgroupPermissions string }

// imageInspect is what is used of the runtime's description of an image.
type imageInspect struct {
	ID           string `json:"Id"`
	RepoTags     []string
	RepoDigests  []string
	Architecture string
	Variant      string
	Os           string
	Created      string
	Size         int64
	RootFS       struct{ Layers []string }
}

// containerQuestion asks a host's runtime, in at most two commands, for the containers of these exact names with their images, for these
// images, and which of these device paths (or globs) exist. More is text that adds lines to the answer.
func containerQuestion(runtime string, containers, images, devices []string, more ...string) engine.Shell {
	var b strings.Builder
	b.WriteString(engine.RuntimePrelude(runtime))
	b.WriteString(containerQuestionHead)
	if len(containers) > 0 {
		fmt.Fprintf(&b, containerQuestionContainers, engine.QuoteAll(containers...))
	}
	if len(containers)+len(images) > 0 {
		fmt.Fprintf(&b, containerQuestionImages, engine.QuoteAll(images...))
	}
	for i, d := range devices {
		fmt.Fprintf(&b, "\tfor path in %s; do [ ! -e \"$path\" ] || printf 'device %d %%s\\n' \"$path\"; done\n", globWord(d), i)
	}
	b.WriteString(strings.Join(more, ""))
	b.WriteString(containerQuestionTail)
	return engine.Shell{Text: b.String()}
}

// Each line of the answer begins with what it is. The words of a failed command stand as they are, before the line with its exit code: a
// container that is not there is told apart from a runtime that does not answer.
const (
	containerQuestionHead = `if ctr_find; then
	ids= exited=
	printf 'runtime %s\narch %s\n' "$ctr_name" "$(uname -m)"
`
	containerQuestionContainers = `	out=$(ctr container inspect --format 'container {{.Id}} {{.Image}} {{.State.Status}} {{json .}}' %s 2>&1 </dev/null); rc=$?
	printf '%%s\ncontainers %%s\n' "$out" "$rc"
	ids=$(printf '%%s\n' "$out" | sed -n 's/^container [^ ]* \([^ ]*\) .*/\1/p')
	exited=$(printf '%%s\n' "$out" | sed -n -e 's/^container \([^ ]*\) [^ ]* exited .*/\1/p' -e 's/^container \([^ ]*\) [^ ]* stopped .*/\1/p')
`
	containerQuestionImages = `	set -- %s $ids
	if [ $# -gt 0 ]; then
		out=$(ctr image inspect --format 'image {{json .}}' "$@" 2>&1 </dev/null); rc=$?
		printf '%%s\nimages %%s\n' "$out" "$rc"
	fi
`
	containerQuestionTail = `	for id in $exited; do
		ctr logs --tail 10 "$id" 2>&1 </dev/null | sed 's/^/log /'
	done
	printf '\nend\n'
else
	printf 'down %s\nend\n' "$(printf '%s' "$ctr_words" | tr '\n' ' ')"
fi
`
)

// absentWords are what docker and podman say of a name they do not have.
var absentWords = regexp.MustCompile(`(?i)no such (container|image|object)|image not known|no container with name or id`)

// chatter is what they may say beside an answer.
var chatter = regexp.MustCompile(`(?i)^(warning|time=|\[\]$)`)

// readContainerFacts reads the answer to a containerQuestion. The error says why nothing may be concluded from it.
func readContainerFacts(a engine.Answer) (containerFacts, error) {
	var f containerFacts
	var said []string // words of the command whose exit code comes next
	ended := false
	for line := range strings.Lines(a.Stdout.String()) {
		line = strings.TrimRight(line, "\r\n")
		word, rest, _ := strings.Cut(line, " ")
		var err error
		switch word {
		case "":
		case "down":
			f.Down = strings.TrimSpace(rest)
		case "runtime":
			f.Runtime = rest
		case "arch":
			f.Arch = archOf(rest)
		case "container":
			err = addInspected(&f.Containers, afterWords(rest, 3))
		case "image":
			err = addInspected(&f.Images, rest)
		case "leftover":
			err = addInspected(&f.Others, rest)
		case "containers", "images", "leftovers":
			err = judgeInspect(rest, said)
			said = nil
		case "device":
			err = f.addDevice(rest)
		case "log":
			f.Logs = append(f.Logs, rest)
		case "end":
			ended = true
		default:
			said = append(said, line)
		}
		if err != nil {
			return containerFacts{}, err
		}
	}
	if a.Code != 0 || !ended || len(said) > 0 {
		return containerFacts{}, fmt.Errorf("the container runtime's answer is not whole: %s", factsWords(a, said))
	}
	for i := range f.Images {
		f.Images[i].ID = plainID(f.Images[i].ID)
	}
	for _, list := range [][]containerInspect{f.Containers, f.Others} {
		for i := range list {
			list[i].Name = strings.TrimPrefix(list[i].Name, "/")
			list[i].Image = plainID(list[i].Image)
			if list[i].State.Status == "stopped" { // podman's word until it has cleaned up after the exit
				list[i].State.Status = "exited"
			}
		}
	}
	return f, nil
}

func (f *containerFacts) addDevice(line string) error {
	at, path, _ := strings.Cut(line, " ")
	i, err := strconv.Atoi(at)
	if err != nil {
		return fmt.Errorf("the answer about devices cannot be read: %q", line)
	}
	if f.Devices == nil {
		f.Devices = map[int][]string{}
	}
	f.Devices[i] = append(f.Devices[i], path)
	return nil
}

func afterWords(s string, n int) string {
	for range n {
		_, s, _ = strings.Cut(s, " ")
	}
	return s
}

func addInspected[T any](to *[]T, text string) error {
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return fmt.Errorf("the container runtime's answer cannot be read: %w", err)
	}
	*to = append(*to, v)
	return nil
}

// judgeInspect tells "not there" from all else that makes an inspect command fail.
func judgeInspect(code string, said []string) error {
	if code == "0" {
		return nil
	}
	absent := false
	for _, line := range said {
		switch {
		case absentWords.MatchString(line):
			absent = true
		case strings.TrimSpace(line) == "" || chatter.MatchString(line):
		default:
			return fmt.Errorf("the container runtime does not answer: %s", strings.TrimSpace(line))
		}
	}
	if !absent {
		return fmt.Errorf("the container runtime does not answer: exit code %s", code)
	}
	return nil
}

func factsWords(a engine.Answer, said []string) string {
	if len(said) > 0 {
		return said[len(said)-1]
	}
	if w := strings.TrimSpace(a.Stderr.String()); w != "" {
		return w
	}
	return fmt.Sprintf("exit code %d", a.Code)
}

// plainID is an id without its algorithm: docker writes sha256:…, podman only the digits.
func plainID(id string) string { return strings.TrimPrefix(id, "sha256:") }

// shortID is an id as people read it.
func shortID(id string) string {
	id = plainID(id)
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// container finds the one of exactly this name. The runtime also answers with a container whose id begins so.
func (f containerFacts) container(name string) *containerInspect {
	for i := range f.Containers {
		if f.Containers[i].Name == name {
			return &f.Containers[i]
		}
	}
	return nil
}

func (f containerFacts) imageByID(id string) *imageInspect {
	for i := range f.Images {
		if f.Images[i].ID == plainID(id) {
			return &f.Images[i]
		}
	}
	return nil
}

// image finds what a reference names on this host: by its digest where it has one, else by its tag.
func (f containerFacts) image(ref reference) *imageInspect {
	for i := range f.Images {
		if f.Images[i].is(ref) {
			return &f.Images[i]
		}
	}
	return nil
}

func (img imageInspect) is(ref reference) bool {
	if ref.Digest != "" {
		return slices.Contains(img.digests(ref), ref.Digest)
	}
	for _, listed := range img.RepoTags {
		if other, ok := ref.sameRepository(listed); ok && other.Tag == ref.Tag {
			return true
		}
	}
	return false
}

// digests are those under which a registry knows the image by this repository's name.
func (img imageInspect) digests(ref reference) []string {
	var out []string
	for _, listed := range img.RepoDigests {
		if other, ok := ref.sameRepository(listed); ok && other.Digest != "" {
			out = append(out, other.Digest)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// platform is what images are compared within.
func (img imageInspect) platform() string {
	if img.Variant != "" {
		return img.Architecture + "/" + img.Variant
	}
	return img.Architecture
}

// archOf gives the name that images use for what uname -m says.
func archOf(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "ppc64le", "s390x", "riscv64":
		return machine
	}
	return machine
}
