define "packages" {
  description = "Debian packages that are installed, and others that are not."

  arg "present" {
    type        = list(string)
    default     = []
    description = "Names of packages that have to be there."
  }
  arg "absent" {
    type        = list(string)
    default     = []
    description = "Names of packages that must not be there."

    validation {
      condition     = length(setintersection(arg.present, arg.absent)) == 0
      error_message = "a package cannot be both present and absent"
    }
  }

  # It only looks: in check mode too, before the changes, and after them.
  probe {
    script = file("packages/probe.sh")
    args   = concat(arg.present, arg.absent)
  }

  locals {
    versions = { for line in lines(probe.stdout) : split(" ", line)[0] => split(" ", line)[1] }
    missing  = sort(setsubtract(arg.present, keys(local.versions)))
    surplus  = sort(setintersection(arg.absent, keys(local.versions)))
  }

  change "install" {
    when    = length(local.missing) > 0
    want    = join(" ", local.missing)
    script  = file("packages/install.sh")
    args    = local.missing
    timeout = "10m"
  }
  change "remove" {
    when   = length(local.surplus) > 0
    have   = join(" ", local.surplus)
    script = file("packages/remove.sh")
    args   = local.surplus
  }

  result "versions" {
    value       = local.versions
    description = "Of the packages that are there, by name."
  }
}

play "tools" {
  hosts = group.all

  step "packages" "tools" {
    present = ["tar", "podman"]
    absent  = ["pciutils"]
  }

  check "recent" {
    condition     = vercmp(step.tools.versions["podman"], "4") >= 0
    error_message = "${host.name} has podman ${step.tools.versions["podman"]}."
  }
}
