variable "gate" {
  type    = bool
  default = true
}

play "p" {
  hosts        = ["n1", "n7"] # ERROR: The inventory has no host "n7", but one named "n
  on_error     = "stop" # ERROR: "stop" is neither "host"
  max_failures = "-1" # ERROR: "-1" is neither a number of hosts nor a share of them such as "10%".

  step "value" "a" {
    key      = "a"
    value    = "1"
    run_once = host.name == "n1" # ERROR: No host here
    barrier  = "perhaps" # ERROR: Wrong type
    tags     = [1, null] # ERROR: No element may be null
    timeout  = "soon" # ERROR: timeout: "soon" is no duration
  }
  step "value" "b" {
    key          = "a"
    value        = "1"
    hosts        = "head2" # ERROR: The inventory has no host "head2", but one named "head".
    changed_when = false # ERROR: changed_when does not apply: A value step finds out by itself whether it changed something
    become       = 7 # ERROR: become has to be true, false, or the name of a user.
    env          = { "A-B" = "1" } # ERROR: env: "A-B" is no name of a variable
  }
  step "value" "c" {
    key      = "a"
    value    = "1"
    inside   = "box" # ERROR: inside: "box" is neither a container step such as step.box nor "container:NAME"
    for_each = ["a", "b", "a"] # ERROR: "a" is in the list twice
    retry {
      attempts = 0 # ERROR: attempts has to be a whole number, at least 1; it counts the first attempt.
      delay    = "5" # ERROR: delay: "5" is no duration; write it like "10s".
      until    = self.valeu == "1" # ERROR: Did you mean "value"?
    }
  }
  step "value" "d" {
    key      = "a"
    value    = "1"
    for_each = 5 # ERROR: for_each needs a map, a set of strings, or a list of distinct strings.
    env      = ["A=1"] # ERROR: env has to be a map of strings
    inside   = step.a # ERROR: inside takes a container step such as step.box, or "container:NAME".
    retry {
      attempts = 1.5 # ERROR: attempts has to be a whole number
    }
  }
  step "run" "e" {
    command   = "say x"
    fail_when = self.rc # ERROR: Wrong type
    env       = { A = "x\u0000y" } # ERROR: env: A holds a NUL byte
  }
  step "box" "box" {
    name = "b"
  }
  step "value" "f" {
    key     = "a"
    value   = "1"
    inside  = step.box
    timeout = "10m"
    become  = var.gate
    env     = { A = step.box.name, B = 2 }
  }
}

play "q" {
  hosts        = {} # ERROR: Hosts has to be a name or a list of names
  on_error     = "play"
  max_failures = 3 # ERROR: on_error = "play" means max_failures = 0; write one of the two.
}

play "r" {
  hosts        = group.gpu
  max_failures = "120%" # ERROR: "120%" is neither
}

play "s" {
  hosts        = null
  max_failures = 1.5 # ERROR: "1.5" is neither
}

play "t" {
  hosts        = group.gpu
  max_failures = "nan%" # ERROR: "nan%" is neither
}

play "u" {
  hosts = group.gpu
  batch = "nan" # ERROR: Batch takes a number of hosts such as 10, a share of them
}
