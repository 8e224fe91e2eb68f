variable "image" {
  type    = string
  default = "x"
}

locals {
  level = 4
  where = host.name # ERROR: No host here: "host" needs a host, and the locals of the playbook are the same for all of them; put this one into the locals of the play.
  after = play.first.hosts # ERROR: Play is not over yet
}

play "first" {
  hosts = group.gpu

  locals {
    late  = step.last.value
    mine  = host.name
    other = step.nowhere.value # ERROR: Unknown step: There is no step "nowhere" in play "first".
  }

  step "value" "start" {
    key   = var.imgae # ERROR: There is no variable "imgae". Did you mean "image"?
    value = local.levle # ERROR: There is no local value "levle". Did you mean "level"?
  }
  step "value" "second" {
    key   = step.strat.key # ERROR: There is no step "strat" in play "first". Did you mean "start"?
    value = step.start.valeu # ERROR: There is no result of value steps "valeu". Did you mean "value"?
    when  = step.second.changed # ERROR: Step refers to itself: step.second has no results before it has run; in changed_when, fail_when, until and postcondition write self.
  }
  step "value" "third" {
    key   = step.last.key # ERROR: Step comes later: The step "last" stands below this one, on line
    value = local.late # ERROR: Step comes later: local.late reads step.last.value. The step "last" stands below this one
    when  = lenght("x") == 1 # ERROR: There is no function named "lenght". Did you mean "length"?
  }
  step "value" "fourth" {
    key   = hots.name # ERROR: There is no "hots" here. Did you mean "host
    value = host.nmae # ERROR: There is no value of host "nmae". Did you mean "name"?
    when  = self.ok # ERROR: "self" has a value only in changed_when, fail_when, until and postcondition.
  }
  step "value" "fifth" {
    key          = each.key # ERROR: "each" has a value only in a step with for_each.
    value        = host.fcats.os.name # ERROR: There is no value of host "fcats". Did you mean "facts"?
    ignore_errors = self.changed # ERROR: No self here
  }
  step "value" "sixth" {
    key   = hosts["n9"].name # ERROR: The inventory has no host "n9". Did you mean "n
    value = hosts["n1"].adress # ERROR: There is no value of host "adress". Did you mean "address"?
    when  = hosts["n1"].step.last.changed # ERROR: Step comes later
  }
  step "value" "seventh" {
    for_each = toset(["a", "b"])
    key      = each.kye # ERROR: There is no value of each "kye". Did you mean "key"?
    value    = "1"
  }
  step "value" "eighth" {
    key   = step.seventh["c"].value # ERROR: The step "seventh" has for_each, and no instance "c": write step.seventh["KEY"]…, with one of "a", "b".
    value = step.seventh["a"].valeu # ERROR: There is no result of value steps "valeu".
    when  = contains(group.gup, host.name) # ERROR: The inventory has no group "gup". Did you mean "gpu"? Where it may be missing, write try(group.gup, []).
  }
  step "value" "ninth" {
    key   = "${path.playbok}/x" # ERROR: There is no path "playbok". Did you mean "playbook"?
    value = run.hots # ERROR: There is no value of run "hots". Did you mean "hosts"?
    when  = play.first.hosts != null # ERROR: Play is not over yet: play.first has results only after that play
  }
  check "fine" {
    condition     = step.start.okay # ERROR: There is no result of value steps "okay". There is: status, changed, failed, skipped, ok, key, value, before, secret.
    error_message = "${host.nam}: ${step.last.value}" # ERROR: There is no value of host "nam" # ERROR: Step comes later
  }
  step "value" "last" {
    key        = "a"
    value      = "1"
    depends_on = [step.fine, step.strt, step.last, local.level, step.start.value, "start"] # ERROR: There is no step "strt" # ERROR: Step refers to itself # ERROR: depends_on is a list of steps # ERROR: depends_on is a list of steps # ERROR: depends_on is a list of steps
  }
}

play "second" {
  hosts = [for h in group.gpu : h if host.vars.level > 3] # ERROR: No host here: "host" needs a host, and this expression is evaluated once for all of them

  step "value" "a" {
    key   = play.frist.hosts["n1"].status # ERROR: There is no play "frist". Did you mean "first"?
    value = play.first.host # ERROR: There is no value of a play "host". Did you mean "hosts"?
    when  = play.first.hosts["n1"].states == "ok" # ERROR: There is no value of a play's host "states". Did you mean "status"?
  }
  step "value" "of_steps" {
    key   = play.first.hosts["n1"].step.strat.value # ERROR: There is no step of play first "strat". Did you mean "start"?
    value = play.first.hosts[host.name].step.start.valeu # ERROR: There is no result of value steps "valeu". Did you mean "value"?
    when  = try(play.first.hosts["n1"].step.start.other, true)
  }
}

play "third" {
  hosts = local.these # ERROR: No host here: local.these reads host.name.
  locals {
    these = [host.name]
  }
}

output "o" {
  value = host.name # ERROR: No host here
}
