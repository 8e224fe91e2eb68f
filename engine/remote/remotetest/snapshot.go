package remotetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Snapshot is what was on each node of a cluster at one moment, as lines of text.
type Snapshot map[string][]string

// snapshotScript prints one line for each thing. Times of change (c) betray a write that put the old bytes back. The folders for
// temporary files stand without theirs, and logs and /run are left out: whoever looks, touches those. A process of a session is
// left out likewise; one that was left behind has the first process for a parent. What a container has otherwise than its image is in a folder of
// the engine's, and stands as "inside".
const snapshotScript = `
find / -xdev -mindepth 1 \( -path /dev -o -path /proc -o -path /run -o -path /sys -o -path /tmp -o -path /var/lib/docker \
	-o -path /var/lib/containers -o -path /var/log -o -path /var/tmp \) -prune -o \
	-printf 'file %p %y%m %U:%G size=%s m=%T@ c=%C@ %l\n'
find /tmp /var/tmp -mindepth 1 -printf 'file %p %y%m %U:%G size=%s m=%T@ c=%C@ %l\n'
docker ps --all --quiet --no-trunc | xargs -r docker inspect --format \
	'container {{.Name}} {{.Id}} {{.State.Status}} started={{.State.StartedAt}} image={{.Image}}'
docker ps --all --quiet | xargs -r docker inspect --format '{{.Name}} {{.GraphDriver.Data.UpperDir}}' | while read -r name upper; do
	find "$upper" -mindepth 1 \( -path "$upper/run" -o -path "$upper/tmp" -o -path "$upper/var/log" -o -path "$upper/var/tmp" \) -prune -o \
		-printf "inside $name /%P %y%m %U:%G size=%s m=%T@ c=%C@ %l\n"
done
docker images --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}'
docker volume ls --format 'volume {{.Name}}'
podman ps --all --quiet --no-trunc | xargs -r podman container inspect --format \
	'container podman {{.Name}} {{.Id}} {{.State.Status}} started={{.State.StartedAt}} image={{.Image}}'
podman images --no-trunc --format 'image podman {{.Repository}}:{{.Tag}} {{.ID}}'
podman volume ls --format 'volume podman {{.Name}}'
ps -e -o ppid= -o user= -o args= | awk '$1 == 1 { $1 = "process"; print }'`

// Diff tells what a later snapshot lacks ("-") and has ("+") in comparison, one line for each; "" where nothing differs.
func (s Snapshot) Diff(later Snapshot) string {
	nodes := maps.Clone(s)
	if nodes == nil {
		nodes = Snapshot{}
	}
	maps.Copy(nodes, later)
	var out strings.Builder
	for _, node := range slices.Sorted(maps.Keys(nodes)) {
		for _, line := range without(s[node], later[node]) {
			fmt.Fprintf(&out, "%s - %s\n", node, line)
		}
		for _, line := range without(later[node], s[node]) {
			fmt.Fprintf(&out, "%s + %s\n", node, line)
		}
	}
	return out.String()
}

// without gives the lines that others lack, counting repeated ones.
func without(lines, others []string) []string {
	seen := map[string]int{}
	for _, line := range others {
		seen[line]++
	}
	var rest []string
	for _, line := range lines {
		if seen[line] == 0 {
			rest = append(rest, line)
			continue
		}
		seen[line]--
	}
	return rest
}
