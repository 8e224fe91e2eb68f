package lint

import "slices"

// A Rule is one thing that is hinted at, for people.
type Rule struct {
	ID   string
	Why  string // Markdown, one paragraph
	Bad  string // HCL where it is hinted at: what stands in a play, or a playbook
	Good string // the same as it is better
}

// Rules are all hints that there are, those of modules too, in the order of their ids.
func Rules() []Rule { return slices.Clone(rules) }

var rules = []Rule{
	{"batch-goes-on", "A play with a `batch` and neither `max_failures` nor `on_error`: the next batch begins however many hosts of the one before have failed, a canary too.",
		`play "drivers" {
  hosts = group.all
  batch = [1, "25%"]

  step "exec_script" "kernel" {
    read_only = true
    script    = "uname -r\n"
  }
}
`, `play "drivers" {
  hosts    = group.all
  batch    = [1, "25%"]
  on_error = "play"

  step "exec_script" "kernel" {
    read_only = true
    script    = "uname -r\n"
  }
}
`},
	{"become-inside", "Beside `inside`, `become` is an account in the container, where scripts are root already unless the image says otherwise. Who wanted the account that speaks to the container's runtime says it at the container step.",
		`step "exec_script" "limits" {
  inside    = "container:cvs"
  become    = true
  read_only = true
  script    = "ulimit -l\n"
}
`, `step "exec_script" "limits" {
  inside    = "container:cvs"
  become    = "root"
  read_only = true
  script    = "ulimit -l\n"
}
`},
	{"constant-condition", "A `when` or `condition` that reads nothing is the same in every run, so that it decides nothing.",
		`step "file" "motd" {
  when    = true
  path    = "/etc/motd"
  content = "hello\n"
}
`, `step "file" "motd" {
  when    = host.facts.os.id == "ubuntu"
  path    = "/etc/motd"
  content = "hello\n"
}
`},
	{"exec-crlf", "A script with CRLF line ends: a shell takes the CR for part of its words.",
		`step "exec_script" "kernel" {
  read_only = true
  script    = "uname -r\r\n"
}
`, `step "exec_script" "kernel" {
  read_only = true
  script    = "uname -r\n"
}
`},
	{"exec-no-guard", "A script of which nothing says when there is nothing to do runs every time, and check mode can only say " +
		"`would_change`. Give it a guard (`creates`, `removes`, `unless`, `only_if`, `version`); `read_only = true` if it only looks; `changed_when = false` if it is a test.",
		`step "exec_script" "jq" {
  script = "apt-get install -y jq\n"
}
`, `step "exec_script" "jq" {
  script  = "apt-get install -y jq\n"
  creates = "/usr/bin/jq"
}
`},
	{"ignored-unread", "A failure under `ignore_errors` stops nothing and does not count in the exit code. Where no expression reads the step's results either, nobody learns of it.",
		`step "exec_script" "suite" {
  script        = "run-the-suite\n"
  changed_when  = false
  ignore_errors = true
}
`, `step "exec_script" "suite" {
  script        = "run-the-suite\n"
  changed_when  = false
  ignore_errors = true
}

check "suite_passed" {
  condition     = step.suite.ok
  error_message = "${host.name}: the suite failed."
}
`},
	{"image-latest", "The tag `latest`, or none, is another image tomorrow, and on a node that pulls later. Resolve it once with `image_digest`, and use its `ref`; or name a version.",
		`step "container_ensure" "box" {
  name     = "cvs"
  image    = "docker.io/rocm/cvs:latest"
  lifetime = "persistent"
}
`, `step "image_digest" "image" {
  run_once = true
  image    = "docker.io/rocm/cvs:latest"
}

step "container_ensure" "box" {
  name     = "cvs"
  image    = step.image.ref
  lifetime = "persistent"
}
`},
	{"jinja-text", "`{{ name }}` in a text is Jinja's, and is left as it stands. Here `${…}` is replaced. What Go's templates have, as in `docker ps --format`, is not meant.",
		`step "file" "motd" {
  path    = "/etc/motd"
  content = "This is {{ inventory_hostname }}.\n"
}
`, `step "file" "motd" {
  path    = "/etc/motd"
  content = "This is ${host.name}.\n"
}
`},
	{"line-no-match", "The `match` of a `line` step does not match the `line` itself: once the line is there, others that match stay.",
		`step "line" "limit" {
  path  = "/etc/security/limits.conf"
  match = "^[*] soft"
  line  = "* hard memlock unlimited"
}
`, `step "line" "limit" {
  path  = "/etc/security/limits.conf"
  match = "^[*] hard"
  line  = "* hard memlock unlimited"
}
`},
	{"redundant-template", "Quotes and braces around an expression change nothing, not even its type.",
		`step "file" "motd" {
  path    = "/etc/motd"
  content = "${host.name}"
}
`, `step "file" "motd" {
  path    = "/etc/motd"
  content = host.name
}
`},
	{"script-template", "A value that becomes part of a script's text is read by the shell: a blank, a quote or a " +
		"`$` in it does something else than was meant. `args` and `env` hand it over as it is. Numbers, bools, `shellquote(…)` and names of hosts are no such values.",
		`step "exec_script" "size" {
  for_each  = ["/var/log", "/srv/my data"]
  read_only = true
  script    = "du -sh ${each.key}\n"
}
`, `step "exec_script" "size" {
  for_each  = ["/var/log", "/srv/my data"]
  read_only = true
  script    = "du -sh \"$1\"\n"
  args      = [each.key]
}
`},
	{"secret-literal", "A password or token that stands in a playbook or an inventory is read by everybody who reads the file, and stays in its history.",
		`step "exec_script" "report" {
  changed_when = false
  env          = { API_TOKEN = "c2b1-94f0" }
  script       = "report-health\n"
}
`, `variable "api_token" {
  type      = string
  default   = ""
  sensitive = true
}

play "report" {
  hosts = group.all

  step "exec_script" "report" {
    changed_when = false
    env          = { API_TOKEN = var.api_token }
    script       = "report-health\n"
  }
}
`},
	{"secret-variable", "A variable whose name says that it holds a secret, and which is printed like any other. " +
		"`sensitive = true` keeps it out of all that is printed; `sensitive = false` says that it is none.",
		`variable "api_token" {
  type    = string
  default = ""
}

play "report" {
  hosts = group.all

  step "exec_script" "report" {
    changed_when = false
    env          = { TOKEN = var.api_token }
    script       = "report-health\n"
  }
}
`, `variable "api_token" {
  type      = string
  default   = ""
  sensitive = true
}

play "report" {
  hosts = group.all

  step "exec_script" "report" {
    changed_when = false
    env          = { TOKEN = var.api_token }
    script       = "report-health\n"
  }
}
`},
	{"unknown-hint", "A comment that silences a hint which is called otherwise.",
		`# lint: ignore exec-noguard
step "file" "motd" {
  path    = "/etc/motd"
  content = "hello\n"
}
`, `# lint: ignore exec-no-guard
step "exec_script" "report" {
  script = "report-health\n"
}
`},
	{"unused-local", "A local value that no expression reads: a left-over, or a slip of the pen elsewhere.",
		`locals {
  port = 2224
}

step "exec_script" "ports" {
  read_only = true
  script    = "ss -tln\n"
}
`, `locals {
  port = 2224
}

step "exec_script" "ports" {
  read_only = true
  script    = "ss -tln sport = \"$1\"\n"
  args      = [local.port]
}
`},
	{"unused-variable", "A variable that no expression reads: whoever gives it a value expects that it has an effect.",
		`variable "port" {
  default = 2224
}

play "ports" {
  hosts = group.all

  step "exec_script" "ports" {
    read_only = true
    script    = "ss -tln\n"
  }
}
`, `variable "port" {
  default = 2224
}

play "ports" {
  hosts = group.all

  step "exec_script" "ports" {
    read_only = true
    script    = "ss -tln sport = \"$1\"\n"
    args      = [var.port]
  }
}
`},
}
