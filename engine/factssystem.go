package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var osFamily = Family{
	Name: "os",
	Doc:  "The distribution, as its os-release file tells it.",
	Facts: []Fact{
		{Name: "name", Type: cty.String, Doc: "`\"Ubuntu\"`."},
		{Name: "id", Type: cty.String, Doc: "In lower case: `\"ubuntu\"`, `\"debian\"`, `\"rhel\"`."},
		{Name: "id_like", Type: cty.List(cty.String), Doc: "The ids of what it is made from, nearest first; may be empty."},
		{Name: "version", Type: cty.String, Doc: "`\"22.04\"`; null where the distribution has none."},
		{Name: "codename", Type: cty.String, Doc: "`\"jammy\"`."},
		{Name: "pretty_name", Type: cty.String, Doc: "`\"Ubuntu 22.04.5 LTS\"`."},
		{Name: "architecture", Type: cty.String, Doc: "As `uname -m` tells it: `\"x86_64\"`, `\"aarch64\"`."},
	},
	ask: Shell{Text: `# facts: os
release=/etc/os-release
[ -e "$release" ] || release=/usr/lib/os-release
uname -m && cat "$release"
`},
	read: readOS,
}

type osFacts struct {
	Name         *string  `cty:"name"`
	ID           *string  `cty:"id"`
	IDLike       []string `cty:"id_like"`
	Version      *string  `cty:"version"`
	Codename     *string  `cty:"codename"`
	PrettyName   *string  `cty:"pretty_name"`
	Architecture *string  `cty:"architecture"`
}

func readOS(a Answer) (any, error) {
	machine, release, _ := strings.Cut(a.Stdout.String(), "\n")
	values := map[string]string{}
	for line := range strings.Lines(release) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			values[name] = unquoted(value)
		}
	}
	if values["ID"] == "" && values["NAME"] == "" {
		return nil, fmt.Errorf("os-release names no distribution: %s", excerpt(release))
	}
	return osFacts{
		Name: told(values["NAME"]), ID: told(values["ID"]), IDLike: append([]string{}, strings.Fields(values["ID_LIKE"])...),
		Version: told(values["VERSION_ID"]), Codename: told(values["VERSION_CODENAME"]), PrettyName: told(values["PRETTY_NAME"]),
		Architecture: told(machine),
	}, nil
}

// unquoted is the value of an assignment in os-release, which is quoted as for a shell.
func unquoted(s string) string {
	if n := len(s); n >= 2 && s[0] == '\'' && s[n-1] == '\'' {
		return s[1 : n-1]
	}
	if n := len(s); n >= 2 && s[0] == '"' && s[n-1] == '"' {
		s = s[1 : n-1]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`'", s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// excerpt is the beginning of what could not be read, on one line.
func excerpt(s string) string {
	const most = 200
	s = sentence(strings.ToValidUTF8(s, "\uFFFD"))
	if s == "" {
		return "(nothing)"
	}
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

var kernelFamily = Family{
	Name: "kernel",
	Doc:  "The kernel that runs, and what it was started with.",
	Facts: []Fact{
		{Name: "release", Type: cty.String, Doc: "`\"6.8.0-60-generic\"`."},
		{Name: "version", Type: cty.String, Doc: "Which build of it: `\"#63-Ubuntu SMP PREEMPT_DYNAMIC …\"`."},
		{Name: "command_line", Type: cty.String, Doc: "The whole of `/proc/cmdline`."},
		{
			Name: "parameters", Type: cty.Map(cty.String),
			Doc: "The same by name: `parameters[\"iommu\"]`. One without a value is `\"\"`; of several of one name it is the last.",
		},
	},
	ask:  Shell{Text: "# facts: kernel\nuname -r && uname -v && cat /proc/cmdline\n"},
	read: readKernel,
}

type kernelFacts struct {
	Release     string            `cty:"release"`
	Version     *string           `cty:"version"`
	CommandLine string            `cty:"command_line"`
	Parameters  map[string]string `cty:"parameters"`
}

func readKernel(a Answer) (any, error) {
	lines := strings.SplitN(a.Stdout.String(), "\n", 3)
	if len(lines) < 3 || lines[0] == "" {
		return nil, fmt.Errorf("the kernel does not tell its release: %s", excerpt(a.Stdout.String()))
	}
	line := strings.ToValidUTF8(strings.TrimSpace(lines[2]), "\uFFFD")
	return kernelFacts{Release: lines[0], Version: told(lines[1]), CommandLine: line, Parameters: parametersIn(line)}, nil
}

// parametersIn reads a kernel's command line. Quotes keep blanks together; what follows " -- " is for the first process.
func parametersIn(line string) map[string]string {
	out := map[string]string{}
	quoted := false
	for _, word := range strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n')
	}) {
		if word == "--" {
			break
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(word, `"`, ""), "=")
		out[name] = value
	}
	return out
}

var cpuFamily = Family{
	Name: "cpu",
	Doc:  "The processors, as `/proc/cpuinfo` tells them.",
	Facts: []Fact{
		{Name: "model", Type: cty.String, Doc: "`\"AMD EPYC 9654 96-Core Processor\"`; null on most ARM machines, which do not tell."},
		{Name: "vendor", Type: cty.String, Doc: "`\"AuthenticAMD\"`; null on ARM."},
		{Name: "count", Type: cty.Number, Doc: "Logical processors, that is threads, which are online."},
		{Name: "cores", Type: cty.Number, Doc: "Physical cores; null where the kernel does not tell."},
		{Name: "sockets", Type: cty.Number, Doc: "Packages; null where the kernel does not tell."},
	},
	// A node has hundreds of processors, of a screen of text each: they are counted where they are.
	ask: Shell{Text: `# facts: cpu
awk -F '[ \t]*:[ \t]*' '
$1 == "processor" { count++ }
$1 == "vendor_id" { vendor = $2 }
$1 == "model name" { model = $2 }
$1 == "physical id" { socket = $2; if (!(socket in seen)) { seen[socket] = 1; sockets++ } }
$1 == "core id" { core = socket " " $2; if (!(core in known)) { known[core] = 1; cores++ } }
END { print "count", count; print "cores", cores; print "sockets", sockets; print "vendor", vendor; print "model", model }
' /proc/cpuinfo
`},
	read: readCPU,
}

type cpuFacts struct {
	Model   *string `cty:"model"`
	Vendor  *string `cty:"vendor"`
	Count   int64   `cty:"count"`
	Cores   *int64  `cty:"cores"`
	Sockets *int64  `cty:"sockets"`
}

func readCPU(a Answer) (any, error) {
	values := fields(a.Stdout.String())
	count, err := strconv.ParseInt(values["count"], 10, 64)
	if err != nil || count < 1 {
		return nil, fmt.Errorf("/proc/cpuinfo lists no processor: %s", excerpt(a.Stdout.String()))
	}
	return cpuFacts{
		Model: told(values["model"]), Vendor: told(values["vendor"]), Count: count, Cores: counted(values["cores"]), Sockets: counted(values["sockets"]),
	}, nil
}

// counted is a number that a fact has, or none where the host does not tell it.
func counted(s string) *int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

var memoryFamily = Family{
	Name: "memory",
	Doc:  "How much memory there is, in bytes. What is free of it changes with every look and is no fact.",
	Facts: []Fact{
		{Name: "total", Type: cty.Number, Doc: "Memory that the kernel can use: a little less than what is built in."},
		{Name: "swap_total", Type: cty.Number, Doc: "Swap; 0 where there is none."},
		{Name: "huge_pages", Type: cty.Number, Doc: "Huge pages set aside; null where the kernel has none."},
		{Name: "huge_page_size", Type: cty.Number, Doc: "The size of each of them."},
	},
	ask:  Shell{Text: "# facts: memory\ngrep -E '^(MemTotal|SwapTotal|HugePages_Total|Hugepagesize):' /proc/meminfo\n"},
	read: readMemory,
}

type memoryFacts struct {
	Total        int64  `cty:"total"`
	SwapTotal    int64  `cty:"swap_total"`
	HugePages    *int64 `cty:"huge_pages"`
	HugePageSize *int64 `cty:"huge_page_size"`
}

func readMemory(a Answer) (any, error) {
	values := map[string]int64{}
	for name, value := range fields(a.Stdout.String()) {
		number, unit, _ := strings.Cut(value, " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || unit != "" && unit != "kB" {
			return nil, fmt.Errorf("/proc/meminfo: %s %s", name, value)
		}
		if unit == "kB" {
			n *= 1024
		}
		values[strings.TrimSuffix(name, ":")] = n
	}
	if values["MemTotal"] == 0 {
		return nil, errors.New("/proc/meminfo does not tell how much memory there is")
	}
	out := memoryFacts{Total: values["MemTotal"], SwapTotal: values["SwapTotal"]}
	if n, ok := values["HugePages_Total"]; ok {
		out.HugePages = &n
	}
	if n, ok := values["Hugepagesize"]; ok {
		out.HugePageSize = &n
	}
	return out, nil
}
