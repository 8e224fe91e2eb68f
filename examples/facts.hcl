# Holds every node of a GPU cluster to what it should be, by what the nodes tell of themselves (host.facts). Nothing is changed but one file.
#
#   cvsplay check examples/facts.hcl                    # on four simulated nodes
#   cvsplay check examples/facts.hcl -i inventory.hcl --var gpus=4

variable "gpus" {
  type        = number
  description = "GPUs that every node has."
  default     = 8
}

variable "parameters" {
  type        = map(string)
  description = "What the kernel of every node has to be started with."
  default     = { amd_iommu = "on", iommu = "pt" }
}

play "nodes" {
  description = "Every node has the same GPUs, and its network is up"
  hosts       = group.gpu

  locals {
    gpu    = host.facts.gpu
    down   = [for p in host.facts.ib.devices : "${p.name} is ${p.state}" if p.state != "ACTIVE"]
    amiss  = [for name, value in var.parameters : "${name}=${value}" if try(host.facts.kernel.parameters[name], "") != value]
    models = distinct([for name in run.hosts : hosts[name].facts.gpu.model])
  }

  check "gpus" {
    condition     = local.gpu.count == var.gpus
    error_message = "${local.gpu.count} GPUs, and not ${var.gpus} (${local.gpu.source})"
  }

  check "ports" {
    condition     = host.facts.ib.count > 0 && length(local.down) == 0
    error_message = host.facts.ib.count == 0 ? "there is no port" : join(", ", local.down)
  }

  check "kernel" {
    condition     = length(local.amiss) == 0
    error_message = "the kernel was started without ${join(", ", local.amiss)}"
  }

  # Looks at all nodes that are left, and so waits for them.
  check "one_model" {
    condition     = length(local.models) == 1
    error_message = "the nodes have ${join(", ", [for m in local.models : m == null ? "a model that nobody knows" : m])}"
  }

  # Arguments may be made of facts: this is written again where a node has changed.
  step "file" "label" {
    become  = true
    path    = "/etc/node-label"
    content = <<-EOT
      os=${host.facts.os.id}-${host.facts.os.version}
      kernel=${host.facts.kernel.release}
      cores=${host.facts.cpu.cores}
      memory_gib=${floor(host.facts.memory.total / 1024 / 1024 / 1024)}
      gpu=${local.gpu.count}x${local.gpu.model}
      driver=${local.gpu.driver}
      rocm=${host.facts.rocm.version}
    EOT
  }
}

output "nodes" {
  description = "What is amiss with each node"
  value       = { for name, h in play.nodes.hosts : name => h.ok ? "as it should be" : h.message }
}
