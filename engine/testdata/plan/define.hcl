variable "folder" {
  default = "/etc"
}

variable "token" {
  default   = "t"
  sensitive = true
}

locals {
  static = "${var.folder}/x"
  runs   = run.check ? 1 : 2
}

define "value" { # ERROR: "value" is built in. Give this module another name.
  probe {
    script = "true\n"
  }
}

define "references" {
  arg "key" {
    type = string
  }
  probe {
    script = "get ${probe.stdout}" # ERROR: "probe" has a value where the probe has run
    args   = [arg.kye]             # ERROR: There is no argument "kye". Did you mean "key"?
    env    = { A = host.name }     # ERROR: A defined module sees its arguments, and what is the same wherever it is used. Make an argument of it, and give it host.name.
    stdin  = var.foldr             # ERROR: There is no variable "foldr". Did you mean "folder"?
  }
  refuse {
    when          = probe.code == 1 # ERROR: There is no value of probe "code".
    error_message = local.statik    # ERROR: There is no local value "statik". Did you mean "static"?
  }
  change "set" {
    when   = probe.stdout != args.key # ERROR: There is no name "args" here. Did you mean "arg"?
    have   = local.runs               # ERROR: local.runs reads run.check, and a defined module does the same in every run
    want   = step.x.rc                # ERROR: No step here
    script = "set ${key} ${arg.key}"  # ERROR: If it is meant for the shell, write $${key}
  }
  result "out" {
    value = each.key # ERROR: No each here
  }
}

define "locals" {
  arg "key" {
    type = string
  }
  locals {
    words   = split(" ", probe.stdout)
    static  = "${arg.key} of ${local.words[0]}" # hides the playbook's
    other   = host.name                         # ERROR: No host here
    missing = local.nothing                     # ERROR: There is no local value
    a       = local.b
    b       = local.a                           # ERROR: Local values in a circle
  }
  probe {
    script = "get x"
    args   = local.words # ERROR: local.words reads probe.stdout, which has a value where the probe has run
  }
  change "never" {
    when   = local.runs == 1 # ERROR: local.runs reads run.check
    script = "set x"
  }
  change "well" {
    when   = length(local.words) > 2
    want   = local.wrods # ERROR: Did you mean "words"?
    script = "set x"
  }
}

define "types" {
  description = var.folder # ERROR: What stands here is read before anything has a value
  arg "key" {
    type    = strin # ERROR: Invalid type specification
    default = "x"
  }
  arg "size" {
    type    = number
    default = "many"  # ERROR: The default of the variable "size" does not fit its type
  }
  arg "when" { # ERROR: Every step takes "when". Give this argument another name.
    type = string
  }
  arg "level" {
    type    = number
    default = 1
    values  = ["1"] # ERROR: values are those of a string
  }
  arg "state" {
    type    = string
    default = "presnt" # ERROR: "presnt" is not one of "present", "absent"; did you mean "present"?
    values  = ["present", "absent"]
  }
  probe {
    script   = ""             # ERROR: The script is empty.
    args     = [arg.size, null] # ERROR: Args: no word may be null.
    env      = { "A-B" = 1 }  # ERROR: Env: "A-B" is no name of a variable
    timeout  = "soon"         # ERROR: "soon" is no duration
    ok_codes = "0"            # ERROR: Wrong type
  }
  change "always" {
    when   = arg.size > 1 # ERROR: This does not look at probe, so the change would be needed again once it was made.
    script = "set x 1"
    args   = [var.token] # ERROR: Args: a sensitive value would show in the host's process list
  }
  change "types" {
    when   = probe.rc     # ERROR: Wrong type
    have   = [probe.rc]   # ERROR: Wrong type
    script = { a = 1 }    # ERROR: Wrong type
  }
  result "status" { # ERROR: Every step leaves "status". Give this result another name.
    value = probe.stdout
  }
  result "count" {
    type  = list(number)
    value = probe.rc # ERROR: Wrong type
  }
}

define "sound" {
  arg "key" {
    type = string
    validation {
      condition     = length(arg.key) < 4
      error_message = "${arg.key} is longer than three letters"
    }
  }
  arg "state" {
    type    = string
    default = "present"
    values  = ["present", "absent"]
  }
  arg "token" {
    type      = string
    default   = null
    sensitive = true
  }
  arg "words" {
    type    = list(string)
    default = []
  }
  probe {
    script = "get ${arg.key}"
    args   = concat(arg.words, [var.folder, local.static])
  }
  change "set" {
    when   = probe.stdout != "1"
    script = "set ${arg.key} 1"
    env    = { TOKEN = arg.token, OTHER = var.token }
  }
  result "rc" {
    value = probe.rc
  }
}

play "p" {
  hosts = group.all

  step "references" "no_second_error" {
    anything = 1
  }
  step "sonud" "a" { # ERROR: There is no module "sonud". Did you mean "sound"?
    key = "a"
  }
  step "sound" "b" { # ERROR: The argument "key" is required
    kye   = "a"      # ERROR: has no argument "kye". Did you mean "key"?
    state = "absnt"  # ERROR: state: "absnt" is not one of "present", "absent"; did you mean "absent"?
  }
  step "sound" "c" {
    key = "long" # ERROR: key: long is longer than three letters.
  }
  step "sound" "d" { # ERROR: probe: args: a sensitive value would show in the host's process list
    key   = "a"
    words = [var.token]
    token = var.token
  }
  step "sound" "e" {
    key          = "a"
    changed_when = false
    precondition {
      condition     = step.d.rc == 0
      error_message = "no"
    }
    postcondition {
      condition     = self.ouput == "" # ERROR: There is no result of
      error_message = "no"
    }
  }
  check "results" {
    condition     = step.e.cr == 0 # ERROR: There is no result of sound steps "cr". Did you mean "rc"?
    error_message = arg.key        # ERROR: There is no "arg" here.
  }
}
