cvsplay {
  required_version = ">= 1"
}

cvsplay {
  required_version = ">= 2" # ERROR: The playbook has said which version it needs at testdata/errors/blocks.hcl:2,3
}

resource "null_resource" "x" { # ERROR: write step "MODULE" "NAME"
}

module "x" { # ERROR: define makes a module of steps
}

data "x" "y" { # ERROR: Not part of a playbook: data
}

provider "x" { # ERROR: how hosts are reached is said in the inventory
}

terraform { # ERROR: Write cvsplay { required_version
}

include "x" { # ERROR: Not supported yet: include
}

define "x" { # ERROR: Not supported yet: define
}

step "file" "lost" { # ERROR: A step stands inside of a play
}

host "n1" { # ERROR: declared in an inventory
}

varible "x" { # ERROR: Did you mean "variable"?
}

play { # ERROR: Missing name for play
  hosts = []
}

play "p" {
  hosts = ["a"]
  batch = 10 # ERROR: Not supported yet: batch
  max_failure = 1 # ERROR: Did you mean "max_failures"?

  block "x" { # ERROR: Not supported yet: block
  }

  handler "file" "x" { # ERROR: Not supported yet: handler
  }

  include "x" { # ERROR: Not supported yet: include
  }

  variable "x" { # ERROR: at the top level
  }

  step "file" { # ERROR: All step blocks must have 2 labels
  }

  step "check" "x" { # ERROR: Write check "x" { … } as a block of its own
  }

  step "flush_handlers" "z" { # ERROR: nothing to flush
  }

  check "y" { # ERROR: The argument "error_message" is required
    condition = true
  }
}

play "q" { # ERROR: The argument "hosts" is required
}

output "o" { # ERROR: The argument "value" is required
}
