package engine

import "strings"

// RuntimeDescribe is POSIX sh that asks a registry from the host, through the host's runtime and with the login that it has. Over RuntimePrelude's it
// defines
//
//	ctr_describe REF SECONDS SERVER KEY INSECURE     what the registry says of REF (NAME:TAG)
//	ctr_describe_images NAME@DIGEST SECONDS INSECURE the images of an index, or an image's configuration
//
// SERVER and KEY are RegistryLogin's; INSECURE is "true" where plain HTTP is wanted. Both print a word, and in the lines after it what it is about;
// where they end with another code than 0, the reason is on stderr:
//
//	http       the answer of Docker's API to /distribution
//	manifest   a manifest, byte for byte
//	images     JSON: an index, or an image's configuration
//	failed     the words of who failed
//	cannot     why no registry can be asked here
//
// A login is read where it stands, given to nobody but the engine, and written nowhere.
func RuntimeDescribe(runtime string) string {
	return "ctr_describe() (\n" + runtimeCases(runtime, func(r Runtime) string { return r.Describe }) + ")\n" +
		"ctr_describe_images() (\n" + runtimeCases(runtime, func(r Runtime) string { return r.DescribeImages }) + ")\n"
}

// RegistryLogin gives the name under which docker's configuration keeps the login of a registry, and a basic regular expression, for "|" as its
// delimiter, for the ways in which it is written there.
func RegistryLogin(domain string) (server, key string) {
	host := domain
	server = domain
	if domain == "docker.io" {
		host, server = "index.docker.io", "https://index.docker.io/v1/"
	}
	quoted := strings.NewReplacer(".", `\.`, "[", `\[`, "]", `\]`).Replace(host)
	return server, `\(https\{0,1\}://\)\{0,1\}` + quoted + `\(/v[12]\)\{0,1\}/\{0,1\}`
}

// Docker's engine answers /distribution with the digest of what a reference names: the command line has no word for it, but a way to
// the engine, which ssh://-contexts use: system dial-stdio, since 18.09. It ends when the engine has answered, and the request's side notices by
// writing on. Where it writes on at the very moment at which the engine closes, docker fails for that and may withhold the answer: then it is asked
// again. Before 18.09 there is curl. The engine has no logins of its own: each request brings one, as the command line would find it.
const dockerDescribe = `
		login_file() {
			if [ -n "$ctr_sudo" ]; then
				$ctr_sudo cat ~root/.docker/config.json
			else
				cat "${DOCKER_CONFIG:-$HOME/.docker}/config.json"
			fi 2>/dev/null | tr -d ' \t\r\n'
		}
		login_entry() { login_file | sed -n 's|.*"'"$1"'":{\([^}]*\)}.*|\3|p'; }
		print_login() { # mksh takes "login" for its own
			helper=$(login_file | sed -n 's|.*"credHelpers":{\([^}]*\)}.*|\1|p' | tr ',' '\n' | sed -n 's|^"'"$2"'":"\([^"]*\)"$|\3|p')
			[ -n "$helper" ] || helper=$(login_file | sed -n 's|.*"credsStore":"\([^"]*\)".*|\1|p')
			if [ -n "$helper" ]; then
				echo "$1" | $ctr_sudo "docker-credential-$helper" get 2>/dev/null | tr -d '\r\n' | sed -n '/"Secret"/{
					/"Username" *: *"\(<\|\\u003c\)token/{
						s/.*"Secret" *: *"\(.*\)".*/{"identitytoken":"\1"}/p
						d
					}
					s/"Username"/"username"/
					s/"Secret"/"password"/
					p
				}'
			elif login_entry "$2" | grep -q '"identitytoken":"[^"]'; then
				login_entry "$2" | sed 's|.*"identitytoken":"\([^"]*\)".*|{"identitytoken":"\1"}|'
			else
				login_entry "$2" | sed -n 's|.*"auth":"\([^"]*\)".*|\1|p' | base64 -d 2>/dev/null |
					sed 's|["\\]|\\&|g; s|^\([^:]*\):\(.*\)$|{"username":"\1","password":"\2"}|'
			fi | base64 | tr -d '\n' | tr '+/' '-_'
		}
		request() {
			printf 'GET /distribution/%s/json HTTP/1.0\r\nHost: docker\r\nX-Registry-Auth: ' "$1"
			print_login "$2" "$3"
			printf '\r\n\r\n'
			while echo && { sleep 0.1 || sleep 1; }; do :; done
		} 2>/dev/null
		option() {
			printf 'header = "X-Registry-Auth: '
			print_login "$1" "$2"
			echo '"'
		}
		limit=
		command -v timeout >/dev/null 2>&1 && limit="timeout $2"
		for try in 1 2 3 4; do
			said=$(request "$1" "$3" "$4" | $limit $ctr_sudo "$ctr_name" system dial-stdio 2>&1)
			[ $? -ne 124 ] || said='timed out'
			case $said in *'error while Copy (stdin to stream)'*) ;; *) break ;; esac
		done
		case $said in
		*'Usage:'*)
			socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
			if command -v curl >/dev/null 2>&1; then
				said=$(option "$3" "$4" | $ctr_sudo curl -isS --max-time "$2" --unix-socket "${socket#unix://}" -K - "http://docker/distribution/$1/json" 2>&1)
			fi
			;;
		esac
		case $said in
		HTTP/*) printf 'http\n%s\n' "$said" ;;
		*'Usage:'*) echo 'cannot'; echo 'this docker has no way to ask a registry: 18.09 or later has one, or an earlier one beside curl' ;;
		*) printf 'failed\n%s\n' "$said" ;;
		esac`

const dockerDescribeImages = `
		limit=
		command -v timeout >/dev/null 2>&1 && limit="timeout $2"
		[ "$3" = true ] && set -- "$1" "$2" --insecure || set -- "$1" "$2"
		reference=$1
		shift 2
		if said=$(DOCKER_CLI_EXPERIMENTAL=enabled $limit $ctr_sudo "$ctr_name" manifest inspect "$@" "$reference" 2>&1 </dev/null); then
			printf 'images\n%s\n' "$said"
		elif [ $? -eq 124 ]; then
			printf 'failed\ntimed out\n'
		else
			printf 'failed\n%s\n' "$said"
		fi`

// Podman has no word for it: what "manifest inspect" prints are not the registry's bytes. Skopeo is of the same make, with the same logins and
// registries.conf.
const podmanDescribe = `
		if ! command -v skopeo >/dev/null 2>&1; then
			echo cannot
			echo 'podman cannot ask a registry without pulling: skopeo, which can, is not installed'
			exit
		fi
		[ "$5" = true ] && set -- "$1" "$2" --tls-verify=false || set -- "$1" "$2"
		reference=$1 seconds=$2
		shift 2
		echo manifest
		$ctr_sudo skopeo --command-timeout "${seconds}s" inspect --raw "$@" "docker://$reference" </dev/null`

const podmanDescribeImages = `
		[ "$3" = true ] && set -- "$1" "$2" --tls-verify=false || set -- "$1" "$2"
		reference=$1 seconds=$2
		shift 2
		if said=$($ctr_sudo skopeo --command-timeout "${seconds}s" inspect --config --raw "$@" "docker://$reference" 2>&1 </dev/null); then
			printf 'images\n%s\n' "$said"
		else
			printf 'failed\n%s\n' "$said"
		fi`
