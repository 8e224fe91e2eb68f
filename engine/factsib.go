package engine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var ibFamily = Family{
	Name: "ib",
	Doc:  "The ports of RDMA adapters, as `/sys/class/infiniband` shows them: InfiniBand and RoCE.",
	Facts: []Fact{
		{Name: "count", Type: cty.Number, Doc: "Ports."},
		{Name: "devices", Doc: "The ports, in the order of their names.", Each: []Fact{
			{Name: "name", Type: cty.String, Doc: "Of the adapter: `\"mlx5_0\"`."},
			{Name: "port", Type: cty.Number, Doc: "Its number on the adapter, from 1."},
			{Name: "state", Type: cty.String, Doc: "`\"ACTIVE\"`, `\"DOWN\"`, `\"INIT\"`, `\"ARMED\"`."},
			{Name: "physical_state", Type: cty.String, Doc: "`\"LinkUp\"`, `\"Disabled\"`, `\"Polling\"`."},
			{Name: "rate", Type: cty.Number, Doc: "In Gb/s: 400."},
			{Name: "link_layer", Type: cty.String, Doc: "`\"InfiniBand\"` or `\"Ethernet\"`."},
			{Name: "fw", Type: cty.String, Doc: "Version of the adapter's firmware; null where it does not tell."},
		}},
	},
	ask: Shell{Text: `# facts: ib
[ -d /sys/class ] || { echo "/sys is not mounted: nothing tells which adapters there are" >&2; exit 1; }
for device in /sys/class/infiniband/*; do
	[ -e "$device" ] || continue
	fw=
	[ ! -r "$device/fw_ver" ] || read -r fw <"$device/fw_ver"
	for port in "$device"/ports/*; do
		[ -e "$port" ] || continue
		echo "@port ${device##*/} ${port##*/}"
		for what in state phys_state rate link_layer; do
			value=
			read -r value <"$port/$what"
			echo "$what $value"
		done
		echo "fw $fw"
	done
done
exit 0
`},
	read: readIB,
}

type ibFacts struct {
	Count   int      `cty:"count"`
	Devices []ibPort `cty:"devices"`
}

type ibPort struct {
	Name          string   `cty:"name"`
	Port          int      `cty:"port"`
	State         string   `cty:"state"`
	PhysicalState *string  `cty:"physical_state"`
	Rate          *float64 `cty:"rate"`
	LinkLayer     *string  `cty:"link_layer"`
	Firmware      *string  `cty:"fw"`
}

func readIB(a Answer) (any, error) {
	out := ibFacts{Devices: []ibPort{}}
	for _, s := range passagesOf(a.Stdout.String()) {
		values := fields(s.text)
		number, err := strconv.Atoi(s.word(1))
		if err != nil {
			return nil, fmt.Errorf("%s has a port %q, which is no number", s.word(0), s.word(1))
		}
		port := ibPort{
			Name: s.word(0), Port: number, State: afterColon(values["state"]), PhysicalState: told(afterColon(values["phys_state"])),
			LinkLayer: told(values["link_layer"]), Firmware: told(values["fw"]),
		}
		if port.State == "" {
			return nil, fmt.Errorf("port %d of %s does not tell its state: %s", number, s.word(0), excerpt(a.Stderr.String()))
		}
		speed, _, _ := strings.Cut(values["rate"], " ")
		if rate, err := parseNumber(speed); err == nil {
			port.Rate = &rate
		}
		out.Devices = append(out.Devices, port)
	}
	out.Count = len(out.Devices)
	return out, nil
}

// afterColon is the name of a state such as "4: ACTIVE".
func afterColon(s string) string {
	if _, name, ok := strings.Cut(s, ":"); ok {
		return strings.TrimSpace(name)
	}
	return s
}
