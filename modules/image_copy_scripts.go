package modules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"cvsplay/engine"
)

// The texts that bring an image from the controller to a host, and from host to host. All that they leave on a host while they work lies in one
// folder, of the account that the step runs as and closed to all others; its name is made of the run and the image.

// imageFolders begins the names of these folders. /var/tmp is on a disk, where /tmp may be memory.
const imageFolders = "/var/tmp/.cvsplay-image-"

// imageTag tells the folders of one run's images apart.
func imageTag(ref reference) string {
	sum := sha256.Sum256([]byte(ref.String()))
	return hex.EncodeToString(sum[:6])
}

func imageFolder(run string, ref reference) string { return imageFolders + run + "-" + imageTag(ref) }

// copyQuestion asks what a host can do when images are copied between hosts, and which folders for this image are there.
func copyQuestion(ref reference) engine.Shell {
	return engine.Shell{Text: copyQuestionText, Args: []string{imageFolders, "-" + imageTag(ref)}}
}

// It prints KEY=VALUE lines, and "end".
const copyQuestionText = `program() {
	p=$(command -v "$1" 2>/dev/null) || for d in /usr/sbin /usr/local/sbin /sbin; do
		if [ -x "$d/$1" ]; then p=$d/$1; break; fi
	done
	echo "$1=$p"
}
program ssh
program ssh-keygen
program sshd
program timeout
for d in "$1"*"$2"; do
	if [ -d "$d" ] && [ -O "$d" ]; then echo "folder=$d"; fi
done
echo end
`

// stopServing is a function that ends the sshd that serves from a folder, with all that it has started, and removes the folder. The processes of the
// pid files are ours only if their command lines name the folder: a pid alone may be another's by now.
const stopServing = `stop_serving() {
	dir=$1 ours= all=
	for file in "$dir/pid" "$dir/sshd.pid"; do
		p=
		if [ -r "$file" ]; then read -r p <"$file"; fi
		case $p in '' | *[!0-9]*) continue ;; esac
		case "$(tr '\000' ' ' 2>/dev/null <"/proc/$p/cmdline")" in *"$dir/"*) ours="$ours $p" ;; esac
	done 2>/dev/null
	if [ -n "$ours" ]; then
		all=$ours before=
		until [ "$all" = "$before" ]; do
			before=$all
			for file in /proc/[0-9]*/stat; do
				line=
				{ read -r line <"$file"; } 2>/dev/null
				p=${line%% *} line=${line##*) } line=${line#* }
				case " $all " in *" $p "*) continue ;; *" ${line%% *} "*) all="$all $p" ;; esac
			done
		done
		kill $all 2>/dev/null
		tries=0
		for p in $all; do
			while [ -d "/proc/$p" ] && [ "$tries" -lt 50 ]; do
				tries=$((tries+1))
				sleep 0.1 2>/dev/null || sleep 1
			done
			if [ -d "/proc/$p" ]; then kill -9 "$p" 2>/dev/null; fi
		done
	fi
	rm -rf -- "$dir"
}
`

// makeKeys makes the folder anew and two throw-away keys in it: one to log in with, and one to be known by. The public ones are its answer. A
// host on which that fails takes no part in the copying.
func (h *imageHost) makeKeys() engine.Shell {
	return engine.Shell{Text: stopServing + makeKeysText, Args: []string{h.folder, h.tools["ssh-keygen"]}, AnyCode: true, Limit: time.Minute}
}

const makeKeysText = `umask 077
stop_serving "$1"
mkdir -- "$1" || exit
for key in id host; do
	"$2" -q -t ed25519 -N '' -C cvsplay -f "$1/$key" </dev/null >&2 || exit
	read -r type text _ <"$1/$key.pub" || exit
	echo "$key $type $text"
done
echo "account $(id -un)"
`

// removeFolder ends what a folder's owner began.
func removeFolder(folder string) engine.Shell {
	return engine.Shell{Text: stopServing + "stop_serving \"$1\"\n", Args: []string{folder}, Limit: time.Minute}
}

// upload brings the archive to a host and loads it there. why is given back on its output, for the end of the step.
func (h *imageHost) upload(why string) []engine.Action {
	archive := h.folder + "/archive"
	return []engine.Action{
		engine.Shell{Text: makeFolderText, Args: []string{h.folder}},
		engine.WriteFile{Path: archive, Content: h.Args.Source.Blob, Mode: "0600"},
		engine.Shell{
			Text:  engine.RuntimePrelude(h.Args.Runtime) + tagImage + loadArchiveText,
			Args:  []string{h.folder, archive, h.archived.ID, h.ref.Tagged()},
			Stdin: []byte(why),
		},
	}
}

const (
	makeFolderText = `umask 077
if [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]; then exit 0; fi
mkdir -- "$1"
`

	// A store that counts images otherwise does not know the id; there the archive's own name has to serve.
	tagImage = `tag_image() {
	if ctr image inspect "$1" >/dev/null 2>&1 </dev/null; then ctr tag "$1" "$2" </dev/null; fi
}
`
	loadArchiveText = `cat
trap 'rm -f -- "$2"; rmdir -- "$1" 2>/dev/null || :' EXIT
trap 'exit 130' HUP INT TERM
ctr load -i "$2" </dev/null >&2 && tag_image "$3" "$4"
`
)

// serveFor bounds how long a host serves an image to others, whatever becomes of the run.
const serveFor = 2 * time.Hour

// serve starts an sshd of the folder's own that lets the lacking hosts in by their throw-away keys, and gives each of them the image and nothing else.
// fresh is for a host that is still to get the image: it serves nothing unless it came.
func (h *imageHost) serve(keys string, fresh bool) engine.Shell {
	mark := ""
	if fresh {
		mark = h.folder + "/image"
	}
	send := fmt.Sprintf(sendText, engine.Quote(h.folder+"/environment"), engine.RuntimePrelude(h.Args.Runtime), engine.Quote(h.ref.Tagged()))
	return engine.Shell{
		Text:    stopServing + serveText,
		Args:    []string{h.folder, h.tools["sshd"], h.tools["timeout"], strconv.Itoa(h.Args.Port), strconv.Itoa(int(serveFor.Seconds())), mark, send},
		Stdin:   []byte(keys),
		AnyCode: true, Limit: time.Minute,
	}
}

const (
	// sshd gives its sessions few of the variables that tell where a runtime is.
	sendText = `{ read -r PATH; read -r runtime_dir; read -r docker_host; } <%s
export PATH
if [ -n "$runtime_dir" ]; then XDG_RUNTIME_DIR=$runtime_dir; export XDG_RUNTIME_DIR; fi
if [ -n "$docker_host" ]; then DOCKER_HOST=$docker_host; export DOCKER_HOST; fi
%sctr save %s </dev/null
`

	// StrictModes looks at /var/tmp, which is open to all, as is right; the folder in it is not. An account whose password is locked gets in by PAM only.
	serveText = `umask 077
dir=$1 sshd=$2 timeout=$3 port=$4 seconds=$5 mark=$6
cat >"$dir/authorized_keys" || exit
if [ -n "$mark" ] && [ ! -e "$mark" ]; then echo "the image did not come" >&2; exit 3; fi
printf '%s' "$7" >"$dir/send" || exit
printf '%s\n' "$PATH" "${XDG_RUNTIME_DIR-}" "${DOCKER_HOST-}" >"$dir/environment" || exit
pam=no
if [ "$(id -u)" = 0 ] && [ -e /etc/pam.d/sshd ] && [ -r /etc/shadow ]; then
	while IFS=: read -r name hash _; do
		case $name:$hash in root:!*) pam=yes ;; esac
	done </etc/shadow
fi
cat >"$dir/sshd_config" <<X || exit
Port $port
HostKey $dir/host
PidFile $dir/sshd.pid
AuthorizedKeysFile $dir/authorized_keys
StrictModes no
AllowUsers $(id -un)
PermitRootLogin prohibit-password
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM $pam
ForceCommand /bin/sh $dir/send
DisableForwarding yes
PermitTTY no
PermitUserRC no
PermitUserEnvironment no
MaxSessions 1
MaxStartups 1000
LoginGraceTime 60
ClientAliveInterval 15
ClientAliveCountMax 8
Compression no
UseDNS no
PrintMotd no
X
"$sshd" -t -f "$dir/sshd_config" </dev/null >&2 || exit
"$timeout" "$seconds" "$sshd" -D -e -f "$dir/sshd_config" </dev/null >"$dir/log" 2>&1 &
started=$!
echo "$started" >"$dir/pid"
tries=0
until [ -s "$dir/sshd.pid" ]; do
	tries=$((tries+1))
	if [ "$tries" -gt 100 ] || [ ! -d "/proc/$started" ]; then
		tail -n 3 "$dir/log" >&2
		kill "$started" 2>/dev/null
		exit 1
	fi
	sleep 0.1 2>/dev/null || sleep 1
done
`
)

// fetch takes the image from a host that serves it. Whose it was is its answer, whatever becomes of it.
func (h *imageHost) fetch(from *imageHost) engine.Shell {
	return engine.Shell{
		Text: engine.RuntimePrelude(h.Args.Runtime) + tagImage + fetchText,
		Args: []string{
			h.folder, from.Host, from.address(), strconv.Itoa(from.Args.Port), from.keys.account, from.keys.host, h.archived.ID, h.ref.Tagged(),
		},
		AnyCode: true,
	}
}

const fetchText = `echo "from $2"
umask 077
dir=$1
echo "cvsplay-image $6" >"$dir/known_hosts" || exit
{
	ssh -F /dev/null -T -n -p "$4" -l "$5" -i "$dir/id" -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o HostKeyAlias=cvsplay-image \
		-o "UserKnownHostsFile=$dir/known_hosts" -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=8 \
		-o Compression=no -o LogLevel=ERROR -- "$3" image 2>"$dir/ssh_words"
	echo "$?" >"$dir/ssh_code"
} | ctr load >"$dir/load_words" 2>&1
code=$?
read -r sent <"$dir/ssh_code"
if [ "$sent" != 0 ] && [ -s "$dir/ssh_words" ]; then tail -n 3 "$dir/ssh_words" >&2; exit 2; fi
if [ "$sent" != 0 ] || [ "$code" != 0 ]; then tail -n 3 "$dir/load_words" >&2; exit 3; fi
tag_image "$7" "$8" && : >"$dir/image"
`
