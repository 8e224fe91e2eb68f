package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// smiPassage begins what amd-smi prints for one command; "@exit CODE" ends it.
const smiPassage = "smi"

func smiCommand(s passage) string { return "amd-smi " + strings.Join(s.words, " ") }

// What amd-smi tells, of all of ROCm 5.7 to 7: objects for each GPU, in a list at the top or under "gpu_data"; a quantity is a number, a text
// such as "196592 MB", or an object with value and unit; what it does not know is "N/A".
type smi struct {
	gpus    []gpu
	driver  string
	version string
}

// An smiError is amd-smi that did not tell: what it said, where it failed by itself.
type smiError struct {
	command, why, said string
}

func (e smiError) Error() string { return e.command + ": " + e.why }

// sawNoGPU tells whether amd-smi failed because it found no GPU, or no driver of one. By itself that proves nothing: a driver that did not load
// gives the same.
func sawNoGPU(err error) bool {
	var e smiError
	if !errors.As(err, &e) {
		return false
	}
	for _, words := range []string{"unable to detect any gpu", "amdgpu not found in modules", "driver not loaded", "drivers not loaded"} {
		if strings.Contains(strings.ToLower(e.said), words) {
			return true
		}
	}
	return false
}

// readSMI reads amd-smi's passages; nil where there are none, since it is not installed.
func readSMI(list []passage, stderr string) (*smi, error) {
	var out *smi
	var failed error
	for i, s := range list {
		if s.name != smiPassage {
			continue
		}
		items, err := smiItems(list[i:], stderr)
		switch command := s.word(0); {
		case command == "static" && err != nil:
			failed = err
		case command == "static":
			failed = nil
			if out, err = smiStatic(items); err != nil {
				return nil, smiError{command: smiCommand(s), why: err.Error()}
			}
		case err != nil || out == nil: // what list and version add may be missing, and adds to nothing where static told nothing
		case command == "list":
			out.identify(items)
		case command == "version" && len(items) > 0:
			out.version = items[0].text("version")
			if out.driver == "" {
				out.driver = items[0].text("amdgpu_version")
			}
		}
	}
	return out, failed
}

// smiItems are the objects that one command printed.
func smiItems(list []passage, stderr string) ([]smiObject, error) {
	s := list[0]
	fail := func(why, said string) ([]smiObject, error) {
		return nil, smiError{command: smiCommand(s), why: why, said: said}
	}
	if len(list) < 2 {
		return fail("it was cut short", "")
	}
	code, ok := list[1].exitCode()
	switch {
	case !ok:
		return fail("it was cut short", "")
	case code != 0:
		said := strings.Join(dedupe(strings.Split(strings.TrimSpace(stderr), "\n")), "\n") // it was asked twice
		if said == "" {
			said = s.text
		}
		return fail(fmt.Sprintf("exit code %d: %s", code, excerpt(said)), stderr+s.text)
	}
	items, err := smiJSON(s.text)
	if err != nil {
		return fail(err.Error(), "")
	}
	return items, nil
}

// smiJSON reads one or several JSON values. Warnings stand before them, on lines of their own; nothing else may stand there, or after them.
func smiJSON(text string) ([]smiObject, error) {
	rest := text
	for rest != "" && rest[0] != '[' && rest[0] != '{' {
		_, rest, _ = strings.Cut(rest, "\n")
	}
	if rest == "" {
		return nil, fmt.Errorf("it prints no JSON: %s", excerpt(text))
	}
	var items []smiObject
	for in := json.NewDecoder(strings.NewReader(rest)); ; {
		in.UseNumber()
		var value any
		err := in.Decode(&value)
		if errors.Is(err, io.EOF) {
			return items, nil
		}
		if err != nil {
			return nil, fmt.Errorf("it prints JSON that cannot be read (%w): %s", err, excerpt(rest[in.InputOffset():]))
		}
		more, err := smiList(value)
		if err != nil {
			return nil, err
		}
		items = append(items, more...)
	}
}

// smiList finds the objects in one of the shapes that they come in.
func smiList(value any) ([]smiObject, error) {
	switch v := value.(type) {
	case map[string]any:
		if inner, ok := v["gpu_data"]; ok {
			return smiList(inner)
		}
		return []smiObject{v}, nil
	case []any:
		items := make([]smiObject, 0, len(v))
		for _, each := range v {
			item, ok := each.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("it prints a list that holds something else than objects: %s", excerpt(fmt.Sprint(each)))
			}
			items = append(items, item)
		}
		return items, nil
	}
	return nil, fmt.Errorf("it prints neither an object nor a list: %s", excerpt(fmt.Sprint(value)))
}

// An smiObject is one object of amd-smi's JSON.
type smiObject map[string]any

// object is an inner object; nil where there is none.
func (o smiObject) object(name string) smiObject {
	inner, _ := o[name].(map[string]any)
	return inner
}

// text is the first text or number among some names that tells something.
func (o smiObject) text(names ...string) string {
	for _, name := range names {
		var s string
		switch v := o[name].(type) {
		case string:
			s = strings.TrimSpace(v)
		case json.Number:
			s = v.String()
		}
		if s != "" && !strings.EqualFold(s, "N/A") && !strings.EqualFold(s, "unknown") {
			return s
		}
	}
	return ""
}

// bytes is the first quantity of memory among some names. Without a unit it is in MB, which are of 1024 × 1024 bytes here.
func (o smiObject) bytes(names ...string) *int64 {
	for _, name := range names {
		number, unit := o.text(name), ""
		if inner := o.object(name); inner != nil {
			number, unit = inner.text("value"), inner.text("unit")
		} else if n, u, ok := strings.Cut(number, " "); ok {
			number, unit = n, u
		}
		factor, known := map[string]float64{"": 1 << 20, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}[strings.ToUpper(unit)]
		if n, err := parseNumber(number); err == nil && known && n > 0 {
			bytes := int64(n * factor)
			return &bytes
		}
	}
	return nil
}

// smiStatic reads the GPUs.
func smiStatic(items []smiObject) (*smi, error) {
	out := &smi{}
	for i, o := range items {
		asic, bus, vram := o.object("asic"), o.object("bus"), o.object("vram")
		if asic == nil && bus == nil {
			return nil, fmt.Errorf("it prints an object that is no GPU: %s", excerpt(fmt.Sprint(o)))
		}
		g := gpu{
			Index: i, Vendor: vendorAMD, Model: told(smiModel(asic, o.object("board"))), DeviceID: told(strings.ToLower(asic.text("device_id"))),
			Bus: told(strings.ToLower(bus.text("bdf"))), Memory: vram.bytes("size", "vram_size", "vram_size_mb"),
			Serial: told(asic.text("asic_serial")), Arch: told(smiArch(asic.text("target_graphics_version"))),
			VBIOS: told(firstText(o.object("ifwi").text("part_number", "version"), o.object("vbios").text("part_number", "version"))),
		}
		if n, err := strconv.Atoi(o.text("gpu")); err == nil {
			g.Index = n
		}
		out.gpus = append(out.gpus, g)
		if out.driver == "" {
			out.driver = smiDriver(o.object("driver").text("version", "driver_version"))
		}
	}
	return out, nil
}

// smiModel is the name under which the GPU is sold: on some boards only the board has it.
func smiModel(asic, board smiObject) string {
	name := asic.text("market_name")
	if name == "" || name == "AMD Radeon Graphics" || strings.HasPrefix(name, "0x") {
		return firstText(board.text("product_name"), name)
	}
	return name
}

func firstText(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// smiArch is the instruction set as compilers name it.
func smiArch(s string) string {
	if s = strings.ToLower(s); strings.HasPrefix(s, "gfx") {
		return s
	}
	return ""
}

// A driver that came with the kernel has no version of its own: amd-smi gives the kernel's banner then, without blanks.
var kernelBanner = regexp.MustCompile(`(?i)^linux ?version ?([0-9][^( ]*)`)

func smiDriver(version string) string {
	if m := kernelBanner.FindStringSubmatch(version); m != nil {
		return m[1]
	}
	return version
}

// identify adds what amd-smi list tells.
func (s *smi) identify(items []smiObject) {
	for _, o := range items {
		number, err := strconv.Atoi(o.text("gpu"))
		for i := range s.gpus {
			if g := &s.gpus[i]; err == nil && g.Index == number {
				g.UUID = told(o.text("uuid"))
				g.Bus = first(g.Bus, told(strings.ToLower(o.text("bdf"))))
			}
		}
	}
}
