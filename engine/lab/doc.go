// Package lab is the embedded fleet: simulated hosts in this process, reached over real SSH: on loopback, or inside the process (Options.Inside).
//
// The parts, from the bottom up:
//
//   - An [FS] is a Unix file system in memory. Clones share everything until it is written.
//   - A [World] is a root file system, a process table and a network: a host is one, and so is every container.
//   - A [Process] is a running program of a world: pid, user, environment, file descriptors, signals.
//   - A [Command] is a program's code. It belongs to a world by a file: what is not on the file system cannot be run.
//   - The shell is POSIX sh as dash speaks it. The grammar is mvdan.cc/sh/v3/syntax; expansion and execution are the
//     lab's own, because that module's interpreter behaves as bash, knows no descriptor above 2, no signals and no
//     process ids, and looks at the machine it runs on (PATH lookups, temporary fifos, the user database).
//   - A [Host] is a world behind an SSH port with its packages, services and faults, and a [Lab] is a set of hosts.
//
// How to add to it: a new command is a Command in a map of its own that allCommands merges, and a file with the content
// Program("name") where it should be found; a daemon is a Service in Host.standardServices; a container is a World from
// Host.NewWorld on a clone of its image's FS, whose processes are started with World.Start; what it should show in a
// snapshot goes into Host.parts. `docker exec -i NAME /bin/sh -s` is then World.Start with that argv and the caller's
// streams.
//
// Container runtimes: a host has docker unless its HostSpec says otherwise, podman where it says so (or either by its package). Docker is one engine behind a socket,
// with the words and shapes of Docker 27; podman has a store for each account, and those of podman 4.3 on Debian 12: see [ContainerEngine], Host.Podman. Both refuse
// flags that they do not know. They make and run containers (with health checks and restart policies), pull with logins, save and load archives that other
// programs read and write, list, inspect, copy. testdata/docker.txt and podman.txt hold them against the real ones.
//
// Images come from registries in the lab: catalogueImages has all. docker.io has rocm/cvs, library/debian and library/ubuntu; rocm/test has what tests need, by tag:
// amd64 (an index without arm64), plain (no index), schema1 and schema1-signed (manifests that nothing takes), healthy, unhealthy, starting (health checks).
// [PrivateRegistry] wants a login, [DownRegistry] refuses connections, every other name is unknown. HostSpec.Images are on a host from the start, HostSpec.Archives lie
// there as files, and Lab.Archive gives such a file to a controller. A container that is created, paused, exited or restarting is made by the commands for it, one
// that is dead by the fault "busy"; "meanwhile" lets somebody else interfere between two commands, "engine_stop" takes the engine away in the middle of one.
//
// Nothing of the machine that runs the lab is read, written or run: there is no call that opens a real file or starts
// a real process, and the only sockets are those of hosts that are not for this process alone, on 127.0.0.1.
package lab
