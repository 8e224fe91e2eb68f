# Nothing here is wrong.
variable "image" {
  type    = string
  default = "x"
}

locals {
  image   = upper(var.image)
  present = try(group.nobody, [])
  all     = group.all
}

play "first" {
  hosts        = setunion(local.all, try(group.none, []))
  max_failures = "10%"
  tags         = ["slow"]
  become       = "root"

  locals {
    mine = "${host.name}-${step.a.key}"
    any  = anytrue([for h in run.hosts : hosts[h].step.a.changed])
  }

  step "value" "a" {
    key   = "k"
    value = host.vars.level
  }
  step "value" "b" {
    for_each   = step.a.changed ? { x = local.mine } : {}
    key        = each.value
    value      = try(step.a.nothing, hosts["n1"].vars.level, each.key)
    when       = local.any && host.name != "n3"
    depends_on = [step.a]
    retry {
      attempts = 5
      delay    = "1s"
      until    = self.value == "x" && self.ok
    }
  }
  check "c" {
    condition     = alltrue([for k, v in step.b : v.ok])
    error_message = join(", ", [for k, v in step.b : "${k}: ${v.status}"])
  }
  step "run" "d" {
    command       = step.c.ok ? "say yes" : "say no"
    changed_when  = self.out == "yes"
    fail_when     = self.rc > 1
    ignore_errors = run.check
    hosts         = setsubtract(group.gpu, ["n1"])
  }
}

play "second" {
  hosts = [for name, h in play.first.hosts : name if h.ok]
  step "value" "e" {
    key   = play.first.hosts[host.name].step.a.key
    value = "1"
  }
}

output "all" {
  value = { for name, h in play.second.hosts : name => try(h.step.e.value, h.status) }
}
