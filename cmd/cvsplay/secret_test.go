package main

import (
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canary is a secret with what encodings change.
const canary = `Canary-7f3a91"x' &<z>/+$HOME=`

// spellings are the canary as different tools would write it; the fragments of base64 hold for every alignment.
func spellings() map[string]string {
	all := map[string]string{
		"as it is": canary, "in part": "Canary-7f3a91", "hexadecimal": hex.EncodeToString([]byte("Canary-7f3a91")), "in upper case": strings.ToUpper(hex.EncodeToString([]byte("Canary-7f3a91"))),
		"in a URL": url.QueryEscape(canary), "in JSON": `Canary-7f3a91\"x`,
	}
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), "Canary-7f3a91"...))
		all["base64, shifted by "+string(rune('0'+shift))] = text[4 : len(text)-4]
	}
	return all
}

const secretPlaybook = `
variable "secret" {
  type      = string
  sensitive = true
}
variable "fails" {
  type    = bool
  default = false
}
locals {
  wrapped = "url=https://user:${var.secret}@example.com/"
}
define "stamp" {
  arg "token" {
    type      = string
    sensitive = true
  }
  arg "fails" {
    type    = bool
    default = false
  }
  probe {
    script = "cat /srv/stamp 2>/dev/null || :\n"
  }
  refuse {
    when          = probe.stdout == "refuse ${arg.token}"
    error_message = "refused: ${arg.token} ${probe.stdout}"
  }
  change "stamp" {
    when   = arg.fails || probe.stdout != "url=${arg.token}"
    have   = probe.stdout
    want   = arg.token
    script = "echo \"stamped with $TOKEN\"; [ -z \"$FAILS\" ] || { cat >&2; exit 7; }\nprintf '%s' \"$URL\" >/srv/stamp\n"
    env    = { TOKEN = arg.token, URL = "url=${arg.token}", FAILS = arg.fails ? "1" : null }
    stdin  = "token ${arg.token}"
  }
  result "token" {
    value = probe.stdout
  }
  result "given" {
    value = arg.token
  }
}
play "secrets" {
  hosts = group.all
  step "stamp" "stamped" {
    token = var.secret
    postcondition {
      condition     = self.token == "url=${var.secret}" || run.check
      error_message = "it is ${self.token}"
    }
  }
  step "stamp" "stamp_fails" {
    token         = var.secret
    fails         = true
    ignore_errors = true
  }
  step "file" "kept" {
    path    = "/srv/secret"
    content = "# comment\npassword = ${var.secret}\n"
    backup  = true
  }
  step "line" "line" {
    path   = "/srv/lines"
    line   = "token ${var.secret}"
    create = true
  }
  step "exec_script" "environment" {
    env    = { TOKEN = var.secret }
    script = <<-SH
      echo "plain: $TOKEN"
      printf '%s' "$TOKEN" | base64
      printf '%s' "$TOKEN" | od -An -tx1 | tr -d ' \n'; echo
      printf 'x%s' "$TOKEN" | base64 >&2
      echo "command lines:"; ps -e -o args
    SH
    artifact = "environment.log"
  }
  step "exec_script" "input" {
    stdin     = local.wrapped
    script    = "cat; cat >&2 /srv/secret\n"
    read_only = true
    retry {
      attempts = 2
      delay    = "0s"
    }
  }
  step "exec_script" "shown" {
    env           = { A = step.environment.stdout }
    script        = "echo \"again $A\"; exit 7\n"
    fail_regex    = ["again"]
    ignore_errors = true
  }
  check "said" {
    condition     = !var.fails
    error_message = "the check says ${step.environment.stdout} and ${try(step.input.stdout, "nothing")}"
  }
}
output "hidden" {
  sensitive = true
  value     = var.secret
}
output "derived" {
  value = { for name, h in play.secrets.hosts : name => try(h.step.environment.stdout, h.message) }
}
`

// A secret stands in no output, at any verbosity, whether all goes well or not, and in nothing that stays on this machine.
func TestSecretIsNowhere(t *testing.T) {
	t.Parallel()
	l := keepLab(newUser(t), 2)
	l.write("p.hcl", secretPlaybook)
	l.env = append(l.env, "CVSPLAY_VAR_secret="+canary)
	said := map[string]string{}
	for _, args := range [][]string{
		{"validate", "p.hcl", "-i", "lab.hcl"},
		{"check", "p.hcl", "-i", "lab.hcl", "--diff", "-vv"},
		{"run", "p.hcl", "-i", "lab.hcl", "--diff", "-vv", "--output", "plain", "--json-file", "events.json"},
		{"run", "p.hcl", "-i", "lab.hcl", "--output", "json", "--diff", "-vv", "--var", "fails=true"},
		{"run", "p.hcl", "-i", "lab.hcl", "--output", "plain", "--diff", "-vv", "--var", "fails=true"},
		{"check", "p.hcl", "-i", "lab.hcl", "--output", "json", "--diff"},
		{"run", "p.hcl", "-i", "lab.hcl", "--var", "secret=" + canary, "--var", "fails=not a bool"},
		{"run", "p.hcl", "-i", "lab.hcl", "--output", "quiet"},
	} {
		for _, h := range l.hosts { // something is there that diffs can show
			l.ssh(h, "echo 'password = old' >/srv/secret; rm -f /srv/lines; printf 'old %s' '"+strings.ReplaceAll(canary, "'", `'\''`)+"' >/srv/stamp")
		}
		e := l.cvsplay(args...)
		e.args = nil
		said[strings.Join(args[:2], " ")+" "+strings.Join(args[4:], " ")] = e.stdout + e.stderr
		if e.code != 0 && !strings.Contains(strings.Join(args, " "), "fails=") {
			t.Errorf("%v: %s", args, e)
		}
	}
	if out := said["run p.hcl --diff -vv --output plain --json-file events.json"]; !strings.Contains(out, "plain: ") || !strings.Contains(out, "stamped with ") {
		t.Errorf("the run does not show what scripts print:\n%s", out)
	}
	for name, text := range files(t, l.dir) {
		if name != "p.hcl" && !strings.HasPrefix(name, "lab") {
			said["the file "+name] = text
		}
	}
	for _, h := range l.hosts { // what an interrupted or careless tool leaves
		said["temporary files of "+h.Name] = l.ssh(h, "find /tmp /var/tmp /dev/shm /run -type f -exec cat {} +; cat /root/.*history 2>/dev/null || :")
		if !strings.Contains(l.ssh(h, "cat /srv/secret"), canary) {
			t.Errorf("%s has no secret to keep", h.Name)
		}
	}
	for where, text := range said {
		for how, form := range spellings() {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s: the secret %s: …%s…", where, how, text[max(0, i-200):min(len(text), i+200)])
			}
		}
	}
}

// files are the texts of all files below a folder, by their relative paths.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		texts[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}
