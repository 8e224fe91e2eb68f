# Brings a cluster up for MPI jobs: one container that all nodes run, or the nodes themselves, an sshd of its own there, keys that open
# every other node, and the proof that each node reaches the others.
#
#   cvsplay run playbooks/cluster_up.hcl                         four simulated nodes
#   cvsplay run playbooks/cluster_up.hcl -i inventory.hcl        the nodes of the group "gpu"
#   cvsplay run playbooks/cluster_up.hcl … --var profile=none    nodes without GPUs
#   cvsplay check playbooks/cluster_up.hcl …                     on a cluster that is up: whether it still is
#   cvsplay run playbooks/teardown.hcl …                         takes it down again

variable "target" {
  type        = string
  description = "Where jobs run: container or baremetal."
  default     = "container"

  validation {
    condition     = contains(["container", "baremetal"], var.target)
    error_message = "The target is \"container\" or \"baremetal\"."
  }
}

variable "image" {
  type        = string
  description = "Image that every node runs, as a tag or a digest."
  default     = "docker.io/rocm/cvs:latest"

  validation {
    condition     = can(regex("[:@]", basename(var.image)))
    error_message = "The image has to carry a tag or a digest."
  }
}

variable "container" {
  type        = string
  description = "Name of the container."
  default     = "cvs_rvs"
}

variable "profile" {
  type        = string
  description = "Defaults of the container: rocm for GPUs and RDMA, or none."
  default     = "rocm"
}

variable "partial" {
  type        = string
  description = "Where some nodes have the container and others have not: refuse, or launch_missing."
  default     = "refuse"
}

variable "on_drift" {
  type        = string
  description = "Where the container differs from what is declared here: warn, recreate or fail."
  default     = "warn"
}

variable "registry" {
  type        = string
  description = "Registry that the account is for."
  default     = "docker.io"
}

variable "registry_username" {
  type        = string
  description = "Account at the registry; without one nobody logs in."
  default     = null
}

variable "registry_password" {
  type        = string
  description = "Password or token of that account."
  default     = null
  sensitive   = true
}

variable "registry_insecure" {
  type        = bool
  description = "The registry speaks plain HTTP."
  default     = false
}

variable "preflight" {
  type        = bool
  description = "Go on without nodes that cannot be asked or cannot run the container. Else one of them holds up all."
  default     = false
}

variable "min_free" {
  type        = number
  description = "Gigabytes that preflight wants to be free where the container runtime keeps images."
  default     = 0

  validation {
    condition     = var.min_free >= 0 && floor(var.min_free) == var.min_free
    error_message = "That is a whole number of gigabytes."
  }
}

variable "ssh_port" {
  type        = number
  description = "Port of the sshd through which the nodes reach each other."
  default     = 2224
}

variable "reach_by" {
  type        = string
  description = "What the nodes call each other by: name or address, as the inventory has them."
  default     = "name"

  validation {
    condition     = contains(["name", "address"], var.reach_by)
    error_message = "The nodes reach each other by \"name\" or by \"address\"."
  }
}

variable "mesh" {
  type        = string
  description = "Which pairs are tried: full (every node to every other), ring (to the next ones), or auto: full up to 64 nodes, then ring."
  default     = "auto"

  validation {
    condition     = contains(["auto", "full", "ring"], var.mesh)
    error_message = "The mesh is \"auto\", \"full\" or \"ring\"."
  }
}

variable "ring" {
  type        = number
  description = "How many of the next nodes each node tries in a ring."
  default     = 8

  validation {
    condition     = var.ring >= 1 && floor(var.ring) == var.ring
    error_message = "In a ring each node tries at least one other."
  }
}

variable "fan_out" {
  type        = number
  description = "How many connections each node has under way at a time."
  default     = 4

  validation {
    condition     = var.fan_out >= 1 && floor(var.fan_out) == var.fan_out
    error_message = "At least one connection has to be under way."
  }
}

variable "connect_timeout" {
  type        = number
  description = "Seconds that a node waits for a connection."
  default     = 10

  validation {
    condition     = var.connect_timeout >= 1 && floor(var.connect_timeout) == var.connect_timeout
    error_message = "A connection takes whole seconds, at least one."
  }
}

locals {
  in_container = var.target == "container"
}

# A node that falls out here takes no part in what follows: what is decided over all nodes is decided over the others.
play "preflight" {
  description = "Look for nodes that cannot run the container"
  hosts       = var.preflight && local.in_container ? group.gpu : null # null: the play is left out

  step "exec_script" "ready" {
    read_only = true
    script    = file("scripts/preflight.sh")
    args      = [var.container, var.min_free]
  }
}

play "cluster_up" {
  description = "Bring the cluster up for MPI jobs"
  hosts       = group.gpu

  locals {
    place = local.in_container ? step.box : null

    # The nodes that are left, in the order of the inventory, and how many of them each one tries.
    peers = var.reach_by == "name" ? [for n in run.hosts : "${n}=${n}"] : [for n in run.hosts : "${n}=${hosts[n].address}"]
    tries = var.mesh == "full" || (var.mesh == "auto" && length(run.hosts) <= 64) ? 0 : var.ring

    # In check mode only a cluster on which nothing has to change tells whether its nodes reach each other.
    settled = !run.check || !anytrue([for n in run.hosts : hosts[n].step.mpi.changed])

    # Why others are not reached, and which of them: one line for each reason.
    unreached = { for line in lines(step.mesh.stdout) : regex("^\\S+ (.*)$", line)[0] => regex("^\\S+", line)... }
  }

  # Once: a tag becomes a digest, so that every node runs the same bytes.
  step "image_digest" "image" {
    when     = local.in_container
    run_once = true
    image    = var.image
    insecure = var.registry_insecure
    username = var.registry_username
    password = var.registry_password
  }

  step "container_ensure" "box" {
    when         = local.in_container
    name         = var.container
    image        = step.image.ref
    lifetime     = "persistent"
    profile      = var.profile
    network      = "host" # the nodes reach each other's containers by the nodes' own names
    setup_script = file("scripts/install_openssh.sh")
    partial      = var.partial
    on_drift     = var.on_drift

    registry { # without an account nobody logs in
      server   = var.registry
      username = var.registry_username
      password = var.registry_password
    }
  }

  step "sshd_ensure" "mpi" {
    inside      = local.place
    become      = true
    port        = var.ssh_port
    cluster_key = true
  }

  step "exec_script" "mesh" {
    description  = "Log in from every node to the others"
    when         = local.settled
    barrier      = true # all of them have to be up
    inside       = local.place
    become       = true
    read_only    = true
    changed_when = false # also where check cannot tell whether they are settled
    timeout      = "15m"
    script       = file("scripts/mesh_ssh.sh")
    args         = concat([host.name, var.ssh_port, local.tries, var.fan_out, var.connect_timeout], local.peers)
  }

  check "reached" {
    condition     = length(local.unreached) == 0
    error_message = join("\n", [for why, nodes in local.unreached : "does not reach ${fold(nodes)}: ${why}"])
  }
}

output "unreached" {
  description = "Nodes that a node does not reach"
  value = { for node, h in play.cluster_up.hosts : node =>
    try(fold([for line in lines(h.step.mesh.stdout) : regex("^\\S+", line)]), h.status)
  if try(h.step.mesh.stdout != "", !run.check) }
}
