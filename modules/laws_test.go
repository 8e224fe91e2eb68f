package modules_test

import (
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/modules"
	"cvsplay/modules/modtest"
)

func TestEveryModuleHasItsCases(t *testing.T) { modtest.Covered(t, withDefined(t), everyCase()) }

func TestLawsOnTheLab(t *testing.T) {
	t.Parallel()
	modtest.Laws(t, modtest.LabFleet(t, 3), withDefined(t), everyCase())
}

func TestLawsOnTheCluster(t *testing.T) {
	t.Parallel()
	modtest.Laws(t, modtest.ClusterFleet(t), withDefined(t), everyCase())
}

func TestSchemas(t *testing.T) {
	for name, m := range modules.All() {
		t.Run(name, func(t *testing.T) { modtest.Schema(t, modules.All(), m) })
	}
}

// box is a container to work in.
func box(name string) string {
	return `
step "container_ensure" "box" {
  name     = "` + name + `"
  image    = var.image
  lifetime = "persistent"
  network  = "host"
}
`
}

// launched is a container that was launched earlier.
func launched(name, image string) string {
	return `
step "container_ensure" "box" {
  name     = "` + name + `"
  image    = ` + image + `
  lifetime = "persistent"
}
`
}

// onOne is a container that only the first host has.
func onOne(name string) string {
	return strings.Replace(launched(name, "var.image"), "{\n", "{\n  hosts    = [\"node1\"]\n", 1)
}

// foreign is a container that cvsplay did not launch.
func foreign(name string) string {
	return `
step "exec_script" "foreign" {
  script = "docker run --detach --name \"$1\" \"$2\" sleep infinity\n"
  args   = ["` + name + `", var.image]
}
`
}

// noSSHD ends the sshd of a case, which listens on a port of its own, and removes what it and the exchange of keys left.
func noSSHD(port string) string {
	return `
pid=$(cat /run/cvsplay-sshd-` + port + `.pid 2>/dev/null || :)
[ -z "$pid" ] || kill "$pid" 2>/dev/null || :
rm -rf /etc/ssh/cvsplay /run/cvsplay-sshd-` + port + `.pid /run/cvsplay-sshd-` + port + `.loaded
rm -f /root/.ssh/id_ed25519 /root/.ssh/id_ed25519.pub /root/.ssh/known_hosts2
`
}

// noImage takes a name of an image, and all that end so, from the hosts.
func noImage(name string) string {
	return `
for image in $(docker images --format '{{.Repository}}:{{.Tag}}'); do
  case $image in *"` + name + `") docker rmi "$image" >/dev/null ;; esac
done
`
}

// lawCases are the steps that the laws are held against. Each has a folder, containers and ports of its own.
var lawCases = []modtest.Case{
	{
		Name: "new", Module: "file", Setup: `rm -rf /srv/laws/new; mkdir -p /srv/laws/new`,
		Step: `step "file" "it" {
  path    = "/srv/laws/new/f"
  content = "hello from ${host.name}\n"
}`,
	},
	{
		Name: "content_and_mode", Module: "file", Setup: `rm -rf /srv/laws/cm; mkdir -p /srv/laws/cm; echo old >/srv/laws/cm/f; chmod 600 /srv/laws/cm/f`,
		Step: `step "file" "it" {
  path    = "/srv/laws/cm/f"
  content = "no final newline, 'quotes', $HOME and \\"
  mode    = "0640"
  owner   = "root"
  group   = "daemon"
}`,
	},
	{
		Name: "mode_only", Module: "file", Setup: `rm -rf /srv/laws/mode; mkdir -p /srv/laws/mode; echo kept >/srv/laws/mode/f; chmod 600 /srv/laws/mode/f`,
		Step: `step "file" "it" {
  path = "/srv/laws/mode/f"
  mode = "4755"
}`,
	},
	{
		Name: "as_wanted", Module: "file", Ends: event.OK, Setup: `rm -rf /srv/laws/ok; mkdir -p /srv/laws/ok; echo kept >/srv/laws/ok/f; chmod 644 /srv/laws/ok/f`,
		Step: `step "file" "it" {
  path    = "/srv/laws/ok/f"
  content = "kept\n"
  mode    = "0644"
}`,
	},
	{
		Name: "odd_names", Module: "file", Setup: `rm -rf /srv/laws/odd; mkdir -p /srv/laws/odd; echo x >"/srv/laws/odd/-rf *"`,
		Step: `step "file" "it" {
  for_each = ["-rf *", "it's \"odd\"", "two\nlines", "$(touch run)", "ünï", " "]
  path     = "/srv/laws/odd/${each.value}"
  content  = each.value
}`,
	},
	{
		Name: "large", Module: "file", Setup: `rm -rf /srv/laws/large; mkdir -p /srv/laws/large`,
		Step: `step "file" "it" {
  path    = "/srv/laws/large/f"
  content = join("\n", [for n in range(1000) : "${n} 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"])
}`,
	},
	{
		Name: "checked_and_backed_up", Module: "file", Setup: `rm -rf /srv/laws/backup; mkdir -p /srv/laws/backup; echo old >/srv/laws/backup/f`,
		Step: `step "file" "it" {
  path     = "/srv/laws/backup/f"
  content  = "new\n"
  backup   = true
  validate = "grep -q new %s"
}`,
	},
	{
		Name: "directories", Module: "file", Setup: `rm -rf /srv/laws/dirs; mkdir -p /srv/laws`,
		Step: `step "file" "it" {
  path  = "/srv/laws/dirs/a/b"
  state = "directory"
  mode  = "0750"
}`,
	},
	{
		Name: "recurse", Module: "file",
		Setup: `rm -rf /srv/laws/tree; mkdir -p /srv/laws/tree/d; echo x >/srv/laws/tree/d/f; echo x >/srv/laws/tree/x; chmod 755 /srv/laws/tree/x; ln -s /etc/passwd /srv/laws/tree/l`,
		Step: `step "file" "it" {
  path    = "/srv/laws/tree"
  state   = "directory"
  mode    = "0770"
  group   = "daemon"
  recurse = true
}`,
	},
	{
		Name: "link", Module: "file", Setup: `rm -rf /srv/laws/link; mkdir -p /srv/laws/link; ln -s nowhere /srv/laws/link/l`,
		Step: `step "file" "it" {
  path   = "/srv/laws/link/l"
  state  = "link"
  target = "../link/some where"
}`,
	},
	{
		Name: "absent", Module: "file", Setup: `rm -rf /srv/laws/absent; mkdir -p /srv/laws/absent/full; echo x >/srv/laws/absent/full/f`,
		Step: `step "file" "it" {
  path  = "/srv/laws/absent/full"
  state = "absent"
}`,
	},
	{
		Name: "of_another_kind", Module: "file", Ends: event.Refused, Setup: `rm -rf /srv/laws/kind; mkdir -p /srv/laws/kind/f`,
		Step: `step "file" "it" {
  path    = "/srv/laws/kind/f"
  content = "x"
}`,
	},
	{
		Name: "file_inside", Module: "file", Before: launched("laws_file", "var.image"),
		Step: `step "file" "it" {
  inside  = "container:laws_file"
  path    = "/opt/laws.conf"
  content = "inside of ${host.name}\n"
  mode    = "0604"
}`,
	},
	{
		Name: "added", Module: "line", Setup: `rm -rf /srv/laws/line; mkdir -p /srv/laws/line; printf 'one\nthree' >/srv/laws/line/f`,
		Step: `step "line" "it" {
  path  = "/srv/laws/line/f"
  line  = "two"
  after = "^one$"
}`,
	},
	{
		Name: "replaced", Module: "line", Setup: `rm -rf /srv/laws/repl; mkdir -p /srv/laws/repl; printf 'a = 1\r\nb = 2\r\na = 3\r\n' >/srv/laws/repl/f`,
		Step: `step "line" "it" {
  path  = "/srv/laws/repl/f"
  match = "^a\\s*="
  line  = "a = $(id) 'x' \\1"
}`,
	},
	{
		Name: "removed", Module: "line", Setup: `rm -rf /srv/laws/gone; mkdir -p /srv/laws/gone; printf '# x\nx\n# y\n' >/srv/laws/gone/f`,
		Step: `step "line" "it" {
  path  = "/srv/laws/gone/f"
  match = "^#"
  state = "absent"
}`,
	},
	{
		Name: "created", Module: "line", Setup: `rm -rf /srv/laws/made; mkdir -p /srv/laws/made`,
		Step: `step "line" "it" {
  for_each = ["first", "second"]
  path     = "/srv/laws/made/${each.value}"
  line     = each.value
  create   = true
}`,
	},
	{
		Name: "in_no_file", Module: "line", Ends: event.Failed, Setup: `rm -rf /srv/laws/nofile; mkdir -p /srv/laws/nofile`,
		Step: `step "line" "it" {
  path = "/srv/laws/nofile/f"
  line = "x"
}`,
	},
	{
		Name: "creates", Module: "exec_script", Setup: `rm -rf /srv/laws/creates; mkdir -p /srv/laws/creates`,
		Step: `step "exec_script" "it" {
  script  = "echo \"$1\" >/srv/laws/creates/made.$2\n"
  args    = ["a  b", "1"]
  creates = "/srv/laws/creates/made.*"
}`,
	},
	{
		Name: "removes", Module: "exec_script", Setup: `rm -rf /srv/laws/removes; mkdir -p /srv/laws/removes; echo x >/srv/laws/removes/f`,
		Step: `step "exec_script" "it" {
  command = ["rm", "/srv/laws/removes/f"]
  removes = "/srv/laws/removes/f"
}`,
	},
	{
		Name: "unless", Module: "exec_script", Setup: `rm -rf /srv/laws/unless; mkdir -p /srv/laws/unless`,
		Step: `step "exec_script" "it" {
  env    = { WHO = "it's me" }
  script = "printf '%s' \"$WHO\" >who\n"
  workdir = "/srv/laws/unless"
  unless = "grep -q me /srv/laws/unless/who"
}`,
	},
	{
		Name: "version", Module: "exec_script", Setup: `rm -rf /srv/laws/version; mkdir -p /srv/laws/version; echo 'tool 1.2.3' >/srv/laws/version/v`,
		Step: `step "exec_script" "it" {
  script = "echo 'tool 1.2.4' >/srv/laws/version/v\n"
  version {
    command = "cat /srv/laws/version/v"
    want    = "1.2.4"
  }
}`,
	},
	{
		Name: "only_if", Module: "exec_script", Ends: event.OK, Setup: `rm -rf /srv/laws/onlyif; mkdir -p /srv/laws/onlyif`,
		Step: `step "exec_script" "it" {
  script  = "touch /srv/laws/onlyif/made\n"
  creates = "/srv/laws/onlyif/made"
  only_if = "test -e /srv/laws/onlyif/wanted"
}`,
	},
	{
		Name: "read_only", Module: "exec_script", Ends: event.OK,
		Step: `step "exec_script" "it" {
  script    = "uname -s; cat /etc/hostname\n"
  read_only = true
}`,
	},
	{
		Name: "unguarded", Module: "exec_script", Settles: modtest.EachRun, Setup: `rm -rf /srv/laws/each; mkdir -p /srv/laws/each`,
		Step: `step "exec_script" "it" {
  script = "echo x >>/srv/laws/each/log\n"
}`,
	},
	{
		Name: "no_change_by_word", Module: "exec_script", Ends: event.OK,
		Step: `step "exec_script" "it" {
  script       = "true\n"
  changed_when = false
}`,
	},
	{
		Name: "script_inside", Module: "exec_script", Without: modtest.Refuses, Given: box("laws_exec"),
		Step: `step "exec_script" "it" {
  inside  = step.box
  script  = "mkdir -p /opt/laws && cat >/opt/laws/made\n"
  stdin   = "through\nstandard input\n"
  creates = "/opt/laws/made"
}`,
	},
	{
		Name: "digest", Module: "image_digest", Ends: event.OK, NoHost: true,
		Step: `step "image_digest" "it" {
  image    = var.image
  insecure = true
}`,
	},
	{
		Name: "digest_once", Module: "image_digest", Ends: event.OK, NoHost: true,
		Step: `step "image_digest" "it" {
  run_once = true
  image    = var.image
  insecure = true
}`,
	},
	{
		Name: "digest_by_hosts", Module: "image_digest", Ends: event.OK,
		Step: `step "image_digest" "it" {
  image = var.image
  from  = "host"
}`,
	},
	{
		Name: "digest_until_pulled", Module: "image_digest", Ends: event.OK, NoHost: true,
		Step: `step "image_digest" "it" {
  image    = var.image
  pull     = "once"
  insecure = true
}`,
	},
	{
		Name: "digest_of_no_image", Module: "image_digest", Ends: event.Failed, NoHost: true,
		Step: `step "image_digest" "it" {
  image    = "${var.image}-that-is-not-there"
  insecure = true
}`,
	},
	{
		Name: "digest_local", Module: "image_digest", Ends: event.OK, Before: launched("laws_digest", "var.image"),
		Step: `step "image_digest" "it" {
  image = var.image
  pull  = "never"
}`,
	},
	{
		Name: "persistent", Module: "container_ensure", Without: modtest.Refuses,
		Step: `step "container_ensure" "it" {
  name         = "laws_persistent"
  image        = var.image
  lifetime     = "persistent"
  env          = { GREETING = "it's $HOME" }
  labels       = { team = "a b" }
  volumes      = ["/srv:/mnt/srv:ro"]
  devices      = ["/dev/nul?", "/dev/not-here"]
  cap_add      = ["SYS_PTRACE"]
  shm_size     = "64m"
  hostname     = "inside"
  setup_script = "echo provisioned >/opt/provisioned\n"
}`,
	},
	{
		Name: "persistent_for_rocm", Module: "container_ensure", Without: modtest.Refuses, Only: modtest.Simulated,
		Step: `step "container_ensure" "it" {
  name     = "laws_rocm"
  image    = var.image
  lifetime = "persistent"
  profile  = "rocm"
}`,
	},
	{
		Name: "stopped", Module: "container_ensure", Without: modtest.Refuses,
		Before: launched("laws_stopped", "var.image") + `
step "exec_script" "stop" {
  script = "docker stop --time 0 laws_stopped\n"
}
`,
		Step: `step "container_ensure" "it" {
  name     = "laws_stopped"
  image    = var.image
  lifetime = "persistent"
}`,
	},
	{
		Name: "on_one_host_only", Module: "container_ensure", Ends: event.Refused, Without: modtest.Refuses, Before: onOne("laws_one"),
		Step: `step "container_ensure" "it" {
  name     = "laws_one"
  image    = var.image
  lifetime = "persistent"
}`,
	},
	{
		Name: "launched_where_missing", Module: "container_ensure", Without: modtest.Refuses, Already: []string{"node1"}, Before: onOne("laws_missing"),
		Step: `step "container_ensure" "it" {
  name     = "laws_missing"
  image    = var.image
  lifetime = "persistent"
  partial  = "launch_missing"
}`,
	},
	{
		Name: "another_image", Module: "container_ensure", Without: modtest.Refuses, Before: launched("laws_drift", "var.older"),
		Step: `step "container_ensure" "it" {
  name     = "laws_drift"
  image    = var.image
  lifetime = "persistent"
  on_drift = "recreate"
}`,
	},
	{
		Name: "attached", Module: "container_ensure", Ends: event.OK, Without: modtest.Refuses, Before: launched("laws_attach", "var.image"),
		Step: `step "container_ensure" "it" {
  name     = "laws_attach"
  image    = var.image
  lifetime = "no_launch"
}`,
	},
	{
		Name: "nothing_to_attach_to", Module: "container_ensure", Ends: event.Refused, Without: modtest.Refuses,
		Step: `step "container_ensure" "it" {
  name     = "laws_nothing"
  image    = var.image
  lifetime = "no_launch"
}`,
	},
	{
		Name: "for_the_run", Module: "container_ensure", Settles: modtest.ForTheRun,
		Step: `step "container_ensure" "it" {
  name         = "laws_for_the_run"
  image        = var.image
  lifetime     = "per_run"
  setup_script = "echo provisioned >/opt/provisioned\n"
}`,
	},
	{
		Name: "ours", Module: "container_absent", Before: launched("laws_ours", "var.image"),
		Step: `step "container_absent" "it" {
  name = "laws_ours"
}`,
	},
	{
		Name: "not_there", Module: "container_absent", Ends: event.OK,
		Step: `step "container_absent" "it" {
  name = "laws_not_there"
}`,
	},
	{
		Name: "of_somebody_else", Module: "container_absent", Ends: event.Refused, Before: foreign("laws_foreign"),
		Step: `step "container_absent" "it" {
  name = "laws_foreign"
}`,
	},
	{
		Name: "adopted", Module: "container_absent", Before: foreign("laws_adopted"),
		Step: `step "container_absent" "it" {
  name  = "laws_adopted"
  adopt = true
}`,
	},
	{
		Name: "copied_from_host_to_host", Module: "image_present", Setup: noImage(modtest.ArchivedImage),
		Step: `step "image_present" "it" {
  image   = "` + modtest.ArchivedImage + `"
  source  = var.archive
  seeds   = 1
  port    = 2241
  address = host.address == "127.0.0.1" ? host.name : host.address # hosts of the lab have one address, and names among each other
}`,
	},
	{
		Name: "pulled", Module: "image_present", Only: modtest.Simulated, Setup: noImage("debian:12"), // an image that no other case uses
		Step: `step "image_present" "it" {
  image = replace(var.image, "rocm/cvs:latest", "library/debian:12")
}`,
	},
	{
		Name: "never_pulled", Module: "image_present", Ends: event.Failed,
		Step: `step "image_present" "it" {
  image = "laws.invalid/nowhere:1"
  pull  = "never"
}`,
	},
	{
		Name: "left_by_a_copy", Module: "image_copy_absent",
		Setup: `mkdir -p /var/tmp/.cvsplay-image-laws-0123456789ab; echo x >/var/tmp/.cvsplay-image-laws-0123456789ab/id`,
		Step: `step "image_copy_absent" "it" {
  run = "laws"
}`,
	},
	{
		Name: "on_the_host", Module: "sshd_ensure", Setup: noSSHD("2231"),
		Step: `step "sshd_ensure" "it" {
  port        = 2231
  cluster_key = true
  names       = [host.name]
}`,
	},
	{
		Name: "inside", Module: "sshd_ensure", Before: box("laws_sshd"),
		Step: `step "sshd_ensure" "it" {
  inside      = "container:laws_sshd"
  port        = 2232
  package     = true
  cluster_key = true
  names       = [host.name]
}`,
	},
	{
		Name: "port_taken", Module: "sshd_ensure", Ends: event.Refused,
		Step: `step "sshd_ensure" "it" {
  port = 22
}`,
	},
}
