# One container on every node, run by Podman.
#
#   cvsplay run podman.hcl -i inventory.hcl

variable "image" {
  type        = string
  description = "Image to run on every node, with the name of its registry: Podman does not guess it."
  default     = "docker.io/rocm/cvs:latest"
}

variable "registry_insecure" {
  type        = bool
  description = "The registry speaks plain HTTP. Podman has to know that too, from registries.conf on the nodes."
  default     = false
}

play "podman" {
  hosts = group.gpu

  step "image_digest" "image" {
    run_once = true
    image    = var.image
    insecure = var.registry_insecure
  }

  step "container_ensure" "box" {
    runtime  = "podman"
    name     = "app"
    image    = step.image.ref
    lifetime = "persistent"
    network  = "host"
  }

  step "exec_script" "release" {
    inside  = step.box
    creates = "/opt/app/release"
    script  = <<-SH
      mkdir -p /opt/app
      grep PRETTY_NAME /etc/os-release >/opt/app/release
    SH
  }

  step "exec_script" "read" {
    inside    = step.box
    read_only = true
    script    = "cat /opt/app/release\n"
  }
}

output "release" {
  description = "What runs inside on each node, and by which runtime"
  value = { for node, h in play.podman.hosts : node => {
    release = try(trimspace(h.step.read.stdout), h.status)
    runtime = coalesce(try(h.step.box.runtime, null), h.status)
  } }
}
