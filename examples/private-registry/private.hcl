# One container on every node, of an image that a registry gives only to those who log in.
#
#   CVSPLAY_VAR_registry_password=… cvsplay run private.hcl -i inventory.hcl --var registry=registry.example.com --var registry_username=robot

variable "image" {
  type        = string
  description = "Image to run on every node, with its registry."
  default     = "registry.example.com/rocm/cvs:latest"
}

variable "registry" {
  type        = string
  description = "Registry to log in to."
  default     = "registry.example.com"
}

variable "registry_username" {
  type        = string
  description = "Account at the registry; without one nobody logs in."
  default     = null
}

variable "registry_password" {
  type        = string
  description = "Its password or token: from the environment, so that it stands in no file and in no process list."
  default     = null
  sensitive   = true
}

play "private" {
  hosts = group.gpu

  # The controller asks the registry once, by the same account.
  step "image_digest" "image" {
    run_once = true
    image    = var.image
    username = var.registry_username
    password = var.registry_password
  }

  # A node logs in only where it has to pull, in a credential folder of that pull alone.
  step "container_ensure" "box" {
    name     = "app"
    image    = step.image.ref
    lifetime = "persistent"

    registry {
      server   = var.registry
      username = var.registry_username
      password = var.registry_password
    }
  }
}

output "digest" {
  description = "What each node runs"
  value       = { for node, h in play.private.hosts : node => coalesce(try(h.step.box.digest, null), h.status) }
}
