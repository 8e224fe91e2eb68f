# The same where the controller may not have the password: it lies in a file on each node, which root alone can read.
#
#   cvsplay run on_nodes.hcl -i inventory.hcl --var registry=registry.example.com --var registry_username=robot

variable "image" {
  type        = string
  description = "Image to run on every node, with its registry."
  default     = "registry.example.com/rocm/cvs:2"
}

variable "registry" {
  type        = string
  description = "Registry to log in to."
  default     = "registry.example.com"
}

variable "registry_username" {
  type        = string
  description = "Account at the registry."
  default     = "robot"
}

variable "password_file" {
  type        = string
  description = "File on the nodes with the password or token."
  default     = "/etc/cvsplay/registry-token"
}

play "on_nodes" {
  hosts = group.gpu

  # A tag may move between two pulls: where the nodes would not run the same image, nothing is started. An image with a digest is surer.
  step "container_ensure" "box" {
    name     = "app"
    image    = var.image
    lifetime = "persistent"

    registry {
      server        = var.registry
      username      = var.registry_username
      password_file = var.password_file
    }
  }
}

output "digest" {
  description = "What each node runs"
  value       = { for node, h in play.on_nodes.hosts : node => coalesce(try(h.step.box.digest, null), h.status) }
}
