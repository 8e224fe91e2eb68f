# One container on every node, without a registry: the archive is on the controller. It goes to two nodes, and from then on nodes that have the image give it to
# those that lack it.
#
#   cvsplay run from_controller.hcl -i inventory.hcl

variable "image" {
  type        = string
  description = "Image to run, as the archive names it."
  default     = "docker.io/rocm/cvs:latest"
}

variable "archive" {
  type        = string
  description = "Archive on the controller, as docker save writes it."
  default     = "cvs.tar"
}

play "from_controller" {
  hosts = group.gpu

  step "image_present" "image" {
    image   = var.image
    source  = var.archive
    seeds   = 2         # how often the archive leaves the controller
    fanout  = 4         # how many others a node serves at a time
    address = host.name # the nodes know each other by name
  }

  step "container_ensure" "box" {
    name     = "app"
    image    = var.image
    pull     = "never"
    lifetime = "persistent"
  }
}

output "images" {
  description = "What each node runs, and where it had the image from"
  value = { for node, h in play.from_controller.hosts : node => {
    image = coalesce(try(h.step.box.image_id, null), h.status)
    from  = coalesce(try(h.step.image.from, null), h.status)
  } }
}
