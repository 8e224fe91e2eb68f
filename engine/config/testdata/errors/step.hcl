play "p" {
  hosts = ["a"]

  step "file" "x" {
    path   = "/x"
    when   = true
    count  = 3            # ERROR: Use for_each
    loop   = []           # ERROR: It is called for_each here

    precondition { # ERROR: The argument "error_message" is required
      condition = true
      message   = "" # ERROR: Unsupported argument
    }

    postcondition { # ERROR: The argument "condition" is required
      error_message = ""
    }

    lifecycle { # ERROR: write precondition and postcondition right into the step
    }

    retry {
      attempts = 3
      delays   = "1s" # ERROR: Did you mean "delay"?
    }

    retry { # ERROR: A step has one retry block
    }
  }
}
