variable "image" {
  default = "a"
}

variable "image" { # ERROR: Duplicate variable
}

variable "2nd" { # ERROR: Invalid name
}

locals {
  a = 1
}

locals {
  a = 2 # ERROR: There is a local value named "a" already, at testdata/errors/names.hcl:12,3
}

output "x" {
  value = 1
}

output "x" { # ERROR: Duplicate output
  value = 2
}

play "p" {
  hosts = ["a"]

  step "file" "one" {
  }

  check "one" { # ERROR: Duplicate step
    condition     = true
    error_message = "no"
  }

  step "file" "white space" { # ERROR: "white space" cannot be the name of a step
  }
}

play "p" { # ERROR: Duplicate play
  hosts = ["a"]
}
