cvsplay {
  required_version = ">= 1"
}

cvsplay {
  required_version = ">= 2" # ERROR: The file has said which version it needs at testdata/errors/blocks.hcl:2,3
}

resource "null_resource" "x" { # ERROR: write step "MODULE" "NAME"
}

module "x" { # ERROR: define makes a module of scripts
}

data "x" "y" { # ERROR: Not part of a playbook: data
}

provider "x" { # ERROR: how hosts are reached is said in the inventory
}

terraform { # ERROR: Write cvsplay { required_version
}

include "x" { # ERROR: Missing source
}

define "x" { # ERROR: A defined module needs probe
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
  serial = 10 # ERROR: It is called batch here
  max_failure = 1 # ERROR: Did you mean "max_failures"?

  block "x" { # ERROR: A block holds at least one step
    env = {} # ERROR: env is for a play or a step
  }

  block "x" { # ERROR: Duplicate block
    always {
    }

    check "first" { # ERROR: Move this above "always"
      condition     = true
      error_message = "no"
    }

    rescue { # ERROR: Move this above "always"
      hosts = [] # ERROR: Unsupported argument
    }

    always { # ERROR: Duplicate always block
    }
  }

  rescue { # ERROR: rescue stands in a block
  }

  handler "flush_handlers" "h" { # ERROR: Handlers run no handlers
  }

  handler "file" "y" { # ERROR: Duplicate step
  }

  include "x" { # ERROR: Missing source
  }

  dynamic "step" { # ERROR: To repeat a step, give it for_each.
  }

  variable "x" { # ERROR: at the top level
  }

  step "file" { # ERROR: All step blocks must have 2 labels
  }

  step "check" "x" { # ERROR: Write check "x" { … } as a block of its own
  }

  check "y" { # ERROR: The argument "error_message" is required
    condition = true
  }
}

output "o" { # ERROR: The argument "value" is required
}
