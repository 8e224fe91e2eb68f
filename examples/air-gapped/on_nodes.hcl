# One container on every node, without a registry: the image comes from an archive that the nodes have, on their own disks or on a file system that
# they share.
#
#   cvsplay run on_nodes.hcl -i inventory.hcl

variable "image" {
  type        = string
  description = "Image to run, as the archive names it."
  default     = "docker.io/rocm/cvs:latest"
}

variable "image_tar" {
  type        = string
  description = "Archive on the nodes, as docker save writes it."
  default     = "/srv/images/cvs.tar"
}

play "on_nodes" {
  hosts = group.gpu

  step "container_ensure" "box" {
    name      = "app"
    image     = var.image
    image_tar = var.image_tar # loaded where the image is missing; then nobody pulls, and nobody logs in
    pull      = "never"
    lifetime  = "persistent"
  }
}

output "images" {
  description = "What each node runs"
  value       = { for node, h in play.on_nodes.hosts : node => coalesce(try(h.step.box.image_id, null), h.status) }
}
