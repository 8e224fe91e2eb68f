play "p" {
  hosts = group.all

  step "valeu" "a" { # ERROR: There is no module "valeu". Did you mean "value"? "cvsplay docs" lists them all.
    key = "a"
  }
  step "value" "b" { # ERROR: The argument "value" is required, but it is not set.
    key   = "a"
    vlaue = "1" # ERROR: The module value has no argument "vlaue". Did you mean "value"?
  }
  step "value" "c" {
    key   = ["a"] # ERROR: Incorrect attribute value type
    value = "1"
    mode  = "rwx" # ERROR: mode: "rwx" is no file mode; write it as octal digits like "0644".
  }
  step "value" "d" {
    key     = "a"
    value   = "1"
    mode    = "0999" # ERROR: mode: "0999" is no file mode
    pattern = "(?<=x)y" # ERROR: pattern: "(?<=x)y" is no regular expression of RE2
    wait    = "10 minutes" # ERROR: wait: "10 minutes" is no duration; write it like "90s", "10m" or "1h30m".
    state   = "presnt" # ERROR: state: "presnt" is not one of "present", "absent"; did you mean "present"?
    path    = "etc/hosts" # ERROR: path: "etc/hosts": a path on the host has to be absolute.
  }
  step "value" "e" {
    key   = "a"
    value = "1"
    old   = true # ERROR: old: is gone: use "value".
    later = "x" # ERROR: later: is not supported yet.
    wait  = "-5s" # ERROR: a duration has to be longer than nothing
    part { # ERROR: The argument "part.name" is required, but it is not set.
    }
    prat { # ERROR: The module value has no argument "prat". Did you mean "part"?
    }
  }
  step "value" "f" {
    key   = "same"
    value = "same" # ERROR: value: a value cannot be its own key.
  }
  step "value" "g" {
    key   = "a\u0000b" # ERROR: key: holds a NUL byte
    value = step.c.before
  }
  step "value" "h" {
    key   = null # ERROR: The argument "key" is required
    value = "1"
    when  = "perhaps" # ERROR: Wrong type
    size  = "many" # ERROR: Incorrect attribute value type
  }
  step "value" "i" {
    key   = "a"
    value = "1"
    whne  = true # ERROR: The module value has no argument "whne". Did you mean "when"?
  }
  check "c1" {
    condition     = ["no"] # ERROR: Wrong type
    error_message = { a = 1 } # ERROR: Wrong type
  }
}
