# Takes down what cluster_up.hcl, install_rvs.hcl and rvs.hcl brought up: the container is removed, with all that was installed in it; an sshd
# on the nodes themselves is stopped. Images, and on bare metal keys, stay: the output says what is left, and where.
#
#   cvsplay run playbooks/teardown.hcl -i inventory.hcl
#   cvsplay run playbooks/teardown.hcl -i inventory.hcl --var target=baremetal

variable "target" {
  type        = string
  description = "Where jobs ran: container or baremetal."
  default     = "container"

  validation {
    condition     = contains(["container", "baremetal"], var.target)
    error_message = "The target is \"container\" or \"baremetal\"."
  }
}

variable "container" {
  type        = string
  description = "Name of the container."
  default     = "cvs_rvs"
}

variable "image" {
  type        = string
  description = "The image that it ran, for the list of what is left."
  default     = "docker.io/rocm/cvs:latest"
}

variable "ssh_port" {
  type        = number
  description = "Port of the sshd on the nodes."
  default     = 2224
}

locals {
  in_container = var.target == "container"
}

play "teardown" {
  description = "Take the cluster down"
  hosts       = group.gpu

  step "container_absent" "box" {
    when     = local.in_container
    for_each = [var.container, "${var.container}.new"] # what a broken launch leaves has the second name
    name     = each.value
  }

  # Inside a container the sshd ended with it.
  step "exec_script" "sshd" {
    description = "Stop the sshd on the node"
    when        = !local.in_container
    become      = true
    script      = file("scripts/stop_sshd.sh")
    args        = [var.ssh_port]
    removes     = "/run/cvsplay-sshd-${var.ssh_port}.pid"
  }

  step "exec_script" "left" {
    description = "List what is left"
    become      = !local.in_container
    read_only   = true
    script      = file("scripts/leftovers.sh")
    args        = [var.image]
  }
}

output "left" {
  description = "What is still on the nodes"
  value       = { for node, h in play.teardown.hosts : node => try(lines(h.step.left.stdout), h.status) }
}
