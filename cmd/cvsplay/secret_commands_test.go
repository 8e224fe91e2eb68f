package main

import (
	"strings"
	"testing"
)

// secretInventory has the canary wherever an inventory can have a secret.
const secretInventory = `
defaults {
  env  = { TOKEN = sensitive(env("CANARY")) }
  vars = {
    token = sensitive(env("CANARY"))
    list  = [1, { deep = "x-${sensitive(env("CANARY"))}" }]
  }
  ssh {
    password = env("CANARY")
  }
  become {
    password = env("CANARY")
  }
}
variables {
  secret = env("CANARY")
}
`

// secretFlow has it wherever a playbook goes on after a failure, and in what is said of one.
const secretFlow = `
variable "secret" {
  type      = string
  sensitive = true
}
define "kept" {
  arg "text" {
    type      = string
    sensitive = true
  }
  probe {
    env      = { TEXT = arg.text }
    script   = "cat /srv/kept; echo \"wants $TEXT\" >&2; test \"$(cat /srv/kept)\" = \"$TEXT\"\n"
    ok_codes = [0, 1]
  }
  change "write it" {
    when   = probe.rc != 0
    have   = probe.stdout
    want   = arg.text
    stdin  = arg.text
    script = "cat >/srv/kept; echo \"wrote $(cat /srv/kept)\"\n"
  }
}
play "flow" {
  hosts = group.all
  locals {
    own = "${host.vars.token}:${var.secret}"
  }
  block "fails" {
    step "exec_script" "script" {
      env          = { OWN = local.own }
      script       = "echo \"out $OWN\"; echo \"err $TOKEN\" >&2; exit 3\n"
      changed_when = false
      retry {
        attempts = 2
        delay    = "0s"
      }
    }
    rescue {
      step "file" "rescued" {
        path    = "/srv/rescued"
        content = "${step.script.stdout} ${local.own}"
        notify  = [handler.after]
      }
    }
    always {
      step "line" "always" {
        path   = "/srv/always"
        line   = local.own
        create = true
      }
    }
  }
  step "kept" "defined" {
    text = var.secret
  }
  handler "exec_script" "after" {
    env    = { OWN = local.own }
    script = "echo \"handler $OWN\"; ps -e -o args\n"
  }
}
play "refused" {
  hosts = group.all
  step "file" "pre" {
    path    = "/srv/pre"
    content = var.secret
    precondition {
      condition     = length(var.secret) == 0
      error_message = "the precondition says ${var.secret}"
    }
  }
}
output "secret" {
  sensitive = true
  value     = [for name, h in play.flow.hosts : h.message]
}
`

// secretMistake has a diagnostic at an expression with the canary.
const secretMistake = `
variable "secret" {
  type      = string
  sensitive = true
  validation {
    condition     = length(var.secret) < 3
    error_message = "${var.secret} is too long"
  }
}
locals {
  number = parseint(var.secret, 10) + var.secret
}
play "mistake" {
  hosts = [var.secret]
  step "exec_script" "argument" {
    command = ["echo", var.secret, local.number]
    timeout = var.secret
  }
}
`

// What an inventory, the environment and a playbook keep secret stands in the output of no command, and in no file that it leaves.
func TestSecretIsInNoCommand(t *testing.T) {
	l := keepLab(newUser(t), 2)
	l.write("secret.hcl", secretInventory)
	l.write("flow.hcl", secretFlow)
	l.write("mistake.hcl", secretMistake)
	l.env = append(l.env, "CANARY="+canary)
	of := func(args string) string {
		command, rest, _ := strings.Cut(args, " ")
		if command == "inventory" {
			word, more, _ := strings.Cut(rest, " ")
			command, rest = command+" "+word, more
		}
		return command + " -i lab.hcl -i secret.hcl " + rest
	}
	said := map[string]string{}
	for _, command := range []string{
		of("validate flow.hcl"),
		of("validate flow.hcl --json"),
		of("validate mistake.hcl"),
		of("validate mistake.hcl --json"),
		"validate mistake.hcl --json --var secret=\"$CANARY\"",
		of("graph flow.hcl"),
		of("graph flow.hcl --dot"),
		of("inventory list --json"),
		of("inventory list"),
		of("inventory show gpu001 --explain"),
		of("inventory show gpu001 --json"),
		of("inventory graph --json"),
		of("inventory graph --dot"),
		"fmt flow.hcl",
		"docs exec_script",
		"init other",
		of("ping --output json"),
		of("ping -vv"),
		of("exec all -vv -- 'echo \"$TOKEN\"; echo \"$TOKEN\" | base64 >&2'"),
		of("exec all --output json --json-file exec.json -- 'echo \"$TOKEN\"; exit 3'"),
		of("exec all --become -- env"),
		"exec all -i lab.hcl -- echo nothing",
		of("check flow.hcl --diff -vv"),
		of("run flow.hcl --diff -vv --timings --output plain --json-file run.json --junit run.xml --profile-mem run.mem"),
		of("run flow.hcl --output json --diff -vv"),
		of("run flow.hcl --limit @failed --diff -vv"),
		of("check flow.hcl --output json --diff"),
		of("run mistake.hcl"),
		of("run flow.hcl --var secret=\"$CANARY\" --var-file missing.hcl"),
		"__complete run flow.hcl -i lab.hcl -i secret.hcl --limit ''",
		"__complete run flow.hcl -i lab.hcl -i secret.hcl --var ''",
	} {
		said[command] = l.types("cvsplay " + command + " || echo it ended with $?")
	}
	said["console"] = l.types(`cvsplay console flow.hcl -i lab.hcl -i secret.hcl --host gpu001 <<'EOT' || echo it ended with $?
var.secret
host.vars
"${host.vars.token}-${var.secret}"
[var.secret, length(var.secret)]
base64encode(var.secret)
parseint(var.secret, 10)
{ (var.secret) = 1 }
upper(var.secret).nothing
nothing(var.secret)
EOT`)
	for command, want := range map[string]string{ // they say something where the secret would stand
		"inventory show": "vars.token", "graph": "defined", "validate": "parseint", "console": "(sensitive", "exec": "ended with 3", "run": "the message is sensitive",
	} {
		var all strings.Builder
		for line, text := range said {
			if strings.HasPrefix(line, command) {
				all.WriteString(text)
			}
		}
		if !strings.Contains(all.String(), want) {
			t.Errorf("%s does not say %q:\n%s", command, want, &all)
		}
	}
	for name, text := range files(t, l.dir) {
		said["the file "+name] = text
	}
	for _, h := range l.hosts {
		said["temporary files and processes of "+h.Name] = l.ssh(h, "find /tmp /var/tmp /var/log /dev/shm /run -type f -exec cat {} +; cat /root/.*history 2>/dev/null || :; ps -e -o args; ps -e e")
		for _, path := range []string{"/srv/rescued", "/srv/always", "/srv/kept"} {
			if !strings.Contains(l.ssh(h, "cat "+path), canary) {
				t.Errorf("%s has no secret in %s", h.Name, path)
			}
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
