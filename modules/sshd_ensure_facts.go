package modules

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"cvsplay/engine"
)

// Files of root that belong to the person too.
const (
	rootSSH = "/root/.ssh"
	rootKey = rootSSH + "/id_ed25519"
	// Every OpenSSH reads known_hosts2 too unless its UserKnownHostsFile says otherwise, and nobody writes it any more.
	rootKnownHosts    = rootSSH + "/known_hosts2"
	personsKnownHosts = rootSSH + "/known_hosts"
)

// sshdFiles are the files of our sshd on one port.
type sshdFiles struct {
	folder, config, authorized, hostKey string
	privsep                             string // sshd wants this empty directory where it is built for Debian; others do not mind it
	pid                                 string
	loaded                              string // which configuration and host key the running daemon has loaded
}

func filesOf(port int) sshdFiles {
	const folder = "/etc/ssh/cvsplay"
	return sshdFiles{
		folder:     folder,
		config:     fmt.Sprintf("%s/sshd_%d.conf", folder, port),
		authorized: fmt.Sprintf("%s/authorized_keys_%d", folder, port),
		hostKey:    fmt.Sprintf("%s/ssh_host_ed25519_key_%d", folder, port),
		privsep:    "/run/sshd",
		pid:        fmt.Sprintf("/run/cvsplay-sshd-%d.pid", port),
		loaded:     fmt.Sprintf("/run/cvsplay-sshd-%d.loaded", port),
	}
}

// portHex is a port as /proc/net/tcp writes it.
func portHex(port int) string { return fmt.Sprintf("%04X", port) }

// sshdScript looks at the node. $1 port in hex, $2 our configuration, $3 pid file, $4 the loaded file, $5 root's client key; where host keys are
// exchanged $6 is root's own known_hosts and $7 and $8 a port and a name that ssh is asked for. It prints one KEY=VALUE a line, and "end". Processes are known by the socket they hold, never by a search through command lines, so that it cannot find
// itself; the command line tells only whether the holder was started with our configuration. The process of another mount namespace is not ours
// even with the same configuration path: it is a container's.
const sshdScript = `hex=$1 conf=$2 pidfile=$3 loaded=$4 key=$5 persons=$6 port=$7 node=$8
echo "uid=$(id -u)"
program() {
  p=$(command -v "$1") || for d in /usr/sbin /usr/local/sbin /sbin; do
    if [ -x "$d/$1" ]; then p=$d/$1; break; fi
  done
  echo "$2=$p"
}
program sshd sshd
program ssh-keygen keygen
program ssh ssh
if [ -e /etc/pam.d/sshd ]; then echo pam=yes; fi
if [ -r /etc/shadow ]; then
  while IFS=: read -r name hash _; do
    case $name:$hash in root:!*) echo locked=yes ;; esac
  done </etc/shadow
fi
if [ -r "$key" ]; then
  { read -r _; read -r second; } <"$key"
  case $second in
    b3BlbnNzaC1rZXktdjEAAAAABG5vbmU*) ;;
    b3BlbnNzaC1rZXktdjE*) echo encrypted=yes ;;
  esac
fi
if [ -n "$persons" ]; then
  if grep -q ' cvsplay:[^ ]*:[0-9]*$' "$persons" 2>/dev/null; then echo old=yes; fi
  if grep -i -q '^[[:space:]]*"*userknownhostsfile' /root/.ssh/config /etc/ssh/ssh_config /etc/ssh/ssh_config.d/*.conf 2>/dev/null; then
    ssh -G -p "$port" "$node" 2>/dev/null </dev/null | while read -r word rest; do
      if [ "$word" = userknownhostsfile ]; then echo "reads=$rest"; fi
    done
  fi
fi
if [ -r "$loaded" ]; then
  read -r line <"$loaded"
  echo "loaded=$line"
fi
cmdline() { tr '\000\n' '  ' <"/proc/$1/cmdline" 2>/dev/null; }
ours() {
  case $(readlink "/proc/$1/exe" 2>/dev/null) in */sshd|*'/sshd (deleted)') ;; *) return 1 ;; esac
  [ "$(readlink "/proc/$1/ns/mnt" 2>/dev/null)" = "$(readlink /proc/self/ns/mnt 2>/dev/null)" ] || return 1
  case "$(cmdline "$1") " in *" -f $conf "*) return 0 ;; esac
  return 1
}
sockets=
for f in /proc/net/tcp /proc/net/tcp6; do
  [ -r "$f" ] || continue
  while read -r _ at _ state _ _ _ _ _ inode _; do
    case "$at $state" in *":$hex 0A") echo "listen=${at%:*} $inode"; sockets="$sockets $inode" ;; esac
  done <"$f"
done
pid=
if [ -r "$pidfile" ]; then read -r pid <"$pidfile"; fi
case $pid in *[!0-9]*) pid= ;; esac
if [ -n "$pid" ] && [ -n "$sockets" ] && ours "$pid"; then
  fds=$(ls -l "/proc/$pid/fd" 2>/dev/null)
  rest=
  for inode in $sockets; do
    case $fds in
      *"socket:[$inode]"*) echo "held=$inode $pid ours" ;;
      *) rest="$rest $inode" ;;
    esac
  done
  sockets=$rest
fi
for inode in $sockets; do
  ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F -e /proc/ -e "socket:[$inode]" | while read -r line; do
    case $line in
      /proc/*:) p=${line#/proc/}; p=${p%%/*} ;;
      *"socket:[$inode]")
        if ours "$p"; then echo "held=$inode $p ours"; else echo "held=$inode $p other $(cmdline "$p")"; fi ;;
    esac
  done
done
echo end
`

// question looks at a node; name is one of its own.
func (a sshdArgs) question() engine.Shell {
	f := filesOf(a.Port)
	args := []string{portHex(a.Port), f.config, f.pid, f.loaded, rootKey, "", "", ""}
	if a.knowsHosts() {
		args[5], args[6], args[7] = personsKnownHosts, strconv.Itoa(a.Port), "localhost"
		if len(a.Names) > 0 {
			args[7] = a.Names[0]
		}
	}
	return engine.Shell{Text: sshdScript, Args: args}
}

// sshdFound is what sshdScript found.
type sshdFound struct {
	UID               string
	SSHD, Keygen, SSH string // paths; "": missing
	PAM, RootLocked   bool
	EncryptedKey      bool
	OldLines          bool   // root's own known_hosts has lines of ours, from an earlier version
	Reads             string // the files that root's ssh takes host keys from, where its configuration says so; "": its usual ones
	Loaded            string
	OursPID           string // our daemon, which listens on the port; "": it does not
	sockets           []sshdSocket
	holders           map[string]string // by inode, in words; of sockets that are not ours
	oursInodes        map[string]bool
	seenFinal         bool
}

// sshdSocket is one listening socket on the port.
type sshdSocket struct {
	at    netip.Addr
	inode string
}

// readSSHDFacts parses the answer strictly: what is not understood is an error, never an absence.
func readSSHDFacts(ans engine.Answer) (sshdFound, error) {
	f := sshdFound{holders: map[string]string{}, oursInodes: map[string]bool{}}
	for line := range strings.Lines(ans.Stdout.String()) {
		line = strings.TrimRight(line, "\n")
		if line == "end" {
			f.seenFinal = true
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return f, fmt.Errorf("cannot understand what the host tells about its sshd: %q", line)
		}
		if err := f.take(key, value); err != nil {
			return f, err
		}
	}
	if ans.Code != 0 || !f.seenFinal || f.UID == "" {
		return f, fmt.Errorf("the host does not tell about its sshd: %s", words(ans))
	}
	return f, nil
}

func (f *sshdFound) take(key, value string) error {
	switch key {
	case "uid":
		f.UID = value
	case "sshd":
		f.SSHD = value
	case "keygen":
		f.Keygen = value
	case "ssh":
		f.SSH = value
	case "pam":
		f.PAM = true
	case "locked":
		f.RootLocked = true
	case "encrypted":
		f.EncryptedKey = true
	case "old":
		f.OldLines = true
	case "reads":
		f.Reads = value
	case "loaded":
		f.Loaded = value
	case "listen":
		return f.listener(value)
	case "held":
		return f.holder(value)
	default:
		return fmt.Errorf("cannot understand what the host tells about its sshd: %q", key+"="+value)
	}
	return nil
}

func (f *sshdFound) listener(value string) error {
	hex, inode, ok := strings.Cut(value, " ")
	at, err := kernelAddr(hex)
	if !ok || err != nil {
		return fmt.Errorf("cannot understand a listening socket: %q", value)
	}
	f.sockets = append(f.sockets, sshdSocket{at: at, inode: inode})
	return nil
}

// holder takes "INODE PID ours" or "INODE PID other COMMAND".
func (f *sshdFound) holder(value string) error {
	w := strings.SplitN(value, " ", 4)
	if len(w) < 3 {
		return fmt.Errorf("cannot understand who holds a socket: %q", value)
	}
	if w[2] == "ours" {
		f.OursPID = w[1]
		f.oursInodes[w[0]] = true
		return nil
	}
	command := ""
	if len(w) == 4 {
		command = " (" + strings.TrimSpace(w[3]) + ")"
	}
	if f.holders[w[0]] == "" {
		f.holders[w[0]] = "process " + w[1] + command
	}
	return nil
}

// foreign names who else listens where our sshd has to; "" where nobody does. listen is the declared address, "" for all.
func (f sshdFound) foreign(listen string) string {
	for _, s := range f.sockets {
		if f.oursInodes[s.inode] || !clashes(s.at, listen) {
			continue
		}
		if who := f.holders[s.inode]; who != "" {
			return who
		}
		return "a process that cannot be seen from here (its network is shared: it runs on the host, or in another container)"
	}
	return ""
}

// clashes tells whether a socket keeps another from listening on the declared address.
func clashes(at netip.Addr, listen string) bool {
	if listen == "" || at.IsUnspecified() {
		return true
	}
	want, err := netip.ParseAddr(listen)
	return err != nil || want.IsUnspecified() || want.Unmap() == at.Unmap()
}

// kernelAddr reads an address of /proc/net/tcp: words of 32 bits, each with its bytes reversed.
func kernelAddr(hex string) (netip.Addr, error) {
	if len(hex) != 8 && len(hex) != 32 {
		return netip.Addr{}, fmt.Errorf("not an address: %q", hex)
	}
	raw := make([]byte, len(hex)/2)
	for i := range raw {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			return netip.Addr{}, err
		}
		raw[i/4*4+3-i%4] = byte(n)
	}
	addr, _ := netip.AddrFromSlice(raw)
	return addr, nil
}
