variable "token" {
  default   = "x"
  sensitive = true
}

play "p" {
  hosts = group.all

  step "value" "a" {
    key   = "a"
    value = "1"
    precondition {
      condition     = self.value == "1" # ERROR: "self" has a value only in changed_when, fail_when, until and postcondition.
      error_message = ["no"] # ERROR: Wrong type
    }
    precondition {
      condition     = each.key == "a" # ERROR: No for_each here
      error_message = "${hots.name}" # ERROR: There is no "hots" here. Did you mean "host"?
    }
    postcondition {
      condition     = self.valeu == "1" # ERROR: Did you mean "value"?
      error_message = "${step.a.value}" # ERROR: in changed_when, fail_when, until and postcondition write self.
    }
    postcondition {
      condition     = "perhaps" # ERROR: Wrong type
      error_message = step.b.value # ERROR: Step comes later
    }
    postcodnition { # ERROR: has no argument "postcodnition". Did you mean "postcondition"?
    }
  }
  step "value" "b" {
    key   = "a"
    value = "1"
    dynamic "piece" {
      for_each = host.vars.words
      content {
        name = piece.vaule # ERROR: There is no value of piece "vaule". Did you mean "value"?
      }
    }
    dynamic "piece" {
      for_each = step.c.value # ERROR: Step comes later
      iterator = it
      content {
        name = piece.value # ERROR: There is no "piece" here.
      }
    }
  }
  step "value" "c" {
    key   = "a"
    value = "1"
    dynamic "piece" {
      for_each = host.vars.words
      content {
        name = "x"
        size = 1 # ERROR: has no argument "size".
      }
    }
    dynamic "peice" { # ERROR: has no argument "peice". Did you mean "piece"?
      for_each = ["x"]
      content {
        name = "x"
      }
    }
    dynamic "piece" {
      for_each = sensitive(["x"]) # ERROR: for_each may not be sensitive
      content {
        name = piece.value
      }
    }
    dynamic "piece" {
      for_each = 5 # ERROR: Cannot use a number value in for_each
      content {
        name = piece.value
      }
    }
    dynamic "piece" { # ERROR: A dynamic block must have a nested block of type "content"
      for_each = ["x"]
    }
    dynamic "part" { # ERROR: The argument "for_each" is required
      content {
        name = part.value
      }
    }
  }
  step "value" "d" {
    key   = "a"
    value = "1"
    dynamic "part" {
      for_each = ["x"]
      content { # ERROR: The argument "part.name" is required
      }
    }
    dynamic "piece" {
      for_each = [1]
      content {
        name = [piece.value] # ERROR: Incorrect attribute value type
      }
    }
    dynamic "piece" {
      for_each = ["x", "y"]
      content {
        name = piece.value.first # ERROR: Unsupported attribute
      }
    }
  }
  step "run" "e" {
    command = "say x"
    dynamic "env" { # ERROR: env is an argument
      for_each = {}
      content {
      }
    }
  }
}
