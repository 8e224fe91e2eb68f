# Installs the ROCm Validation Suite (RVS) on every GPU node: inside one container that all nodes run and that stays, or on the nodes themselves.
# run_rvs.hcl then runs it, as often as one likes, in that container. rvs.hcl does both at once.
#
#   cvsplay run playbooks/install_rvs.hcl -i inventory.hcl
#   cvsplay run playbooks/run_rvs.hcl -i inventory.hcl
#   cvsplay run playbooks/teardown.hcl -i inventory.hcl

variable "target" {
  type        = string
  description = "Where RVS runs: container or baremetal."
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

variable "rocm_path" {
  type        = string
  description = "Where ROCm is; by itself it is the newest /opt/rocm/core-*, else /opt/rocm."
  default     = null
}

variable "rvs_tarball_url" {
  type        = string
  description = "Where RVS comes from if the packages do not give a usable one: an amdrocm7-rvs-*.tar.gz, or a page that lists them."
  default     = null
}

variable "rvs_tarball_sha256" {
  type        = string
  description = "SHA-256 of that tarball."
  default     = ""

  validation {
    condition     = can(regex("^([0-9a-f]{64})?$", var.rvs_tarball_sha256))
    error_message = "A SHA-256 is 64 digits from 0 to f."
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

play "install_rvs" {
  description = "Install RVS on GPU nodes"
  hosts       = group.gpu

  locals {
    place = local.in_container ? step.box : null
    rocm  = trimspace(step.rocm.stdout)
    root  = trimspace(step.suite.stdout)
    rvs   = "${local.root}/bin/rvs"

    # RVS from a tarball does not find its libraries by itself.
    rvs_env = endswith(local.root, "/extras-7") ? { LD_LIBRARY_PATH = "${local.root}/lib:${local.rocm}/lib:${local.rocm}/lib/llvm/lib" } : {}
    version = "[0-9]+[.][0-9]+[.][0-9]+"
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

  step "exec_script" "rocm" {
    description = "Find ROCm"
    inside      = local.place
    read_only   = true
    script      = file("scripts/rocm_path.sh")
    args        = compact([var.rocm_path])
  }

  step "exec_script" "install" {
    description   = "Install RVS from packages"
    inside        = local.place
    become        = true
    env           = { ROCM_PATH = local.rocm }
    script        = file("scripts/install_rvs.sh")
    unless        = file("scripts/rvs_installed.sh")
    timeout       = "45m"
    ignore_errors = var.rvs_tarball_url != null # the next step can mend it
  }

  step "exec_script" "tarball" {
    description = "Install RVS from a tarball where the packages did not bring one that can be used"
    when        = var.rvs_tarball_url != null
    inside      = local.place
    become      = true
    env         = { ROCM_PATH = local.rocm }
    script      = file("scripts/install_rvs_tarball.sh")
    args        = [var.rvs_tarball_url, var.rvs_tarball_sha256]
    unless      = file("scripts/rvs_usable.sh")
    timeout     = "30m"
  }

  step "exec_script" "suite" {
    description = "Find an RVS that runs, with all its libraries"
    inside      = local.place
    read_only   = true
    env         = { ROCM_PATH = local.rocm }
    script      = file("scripts/rvs_usable.sh")
  }

  step "exec_script" "version" {
    inside    = local.place
    read_only = true
    env       = local.rvs_env
    command   = [local.rvs, "--version"]
  }

  check "version_known" {
    condition     = can(regex(local.version, step.version.stdout))
    error_message = "${local.rvs} --version prints no version: ${trimspace(step.version.stdout)}"
  }
}

output "rvs" {
  description = "What each node has, and where"
  value = { for node, h in play.install_rvs.hosts : node => try({
    version   = regex("[0-9]+[.][0-9]+[.][0-9]+", h.step.version.stdout)
    folder    = trimspace(h.step.suite.stdout)
    container = try(substr(h.step.box.id, 0, 12), "none")
  }, { version = h.status }) }
}
