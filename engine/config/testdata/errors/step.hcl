play "p" {
  hosts = ["a"]

  step "file" "x" {
    path   = "/x"
    when   = true
    notify = [handler.x] # ERROR: Not supported yet: notify
    on     = "controller" # ERROR: Not supported yet: on
    count  = 3            # ERROR: Use for_each
    loop   = []           # ERROR: It is called for_each here

    precondition { # ERROR: Write a check block before the step
    }

    postcondition { # ERROR: Write a check block after the step
    }

    dynamic "x" { # ERROR: Not supported yet: dynamic
    }

    retry {
      attempts = 3
      delays   = "1s" # ERROR: Did you mean "delay"?
    }

    retry { # ERROR: A step has one retry block
    }
  }
}
