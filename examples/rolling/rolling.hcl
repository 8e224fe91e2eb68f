# A change that goes through the cluster in batches: one canary first, then a quarter of the hosts at a time. A host on which it goes wrong is put back,
# and the play stops.
#
#   cvsplay run examples/rolling/rolling.hcl -i examples/rolling/inventory.hcl

variable "locked_memory" {
  type        = number
  description = "KiB that a process may lock."
  default     = 67108864
}

play "limits" {
  description = "Raise the limit of locked memory"
  hosts       = group.gpu
  batch       = [1, "25%"]
  on_error    = "play"

  # Here stands the command of the scheduler that drains a node.
  step "exec_script" "drain" {
    on           = "controller"
    script       = "echo \"draining $1\"\n"
    args         = [host.name]
    changed_when = false
  }

  block "change" {
    include "limits" {
      source        = "./roles/limits"
      locked_memory = var.locked_memory
    }

    step "exec_script" "verify" {
      read_only = true
      script    = "grep -q \"memlock $1\" /etc/security/limits.d/90-gpu.conf\n"
      args      = [var.locked_memory]
    }

    rescue {
      step "file" "put_back" {
        path  = "/etc/security/limits.d/90-gpu.conf"
        state = "absent"
      }

      check "gave_up" {
        condition     = step.verify.status == "ok"
        error_message = "${host.name}: the limit could not be changed, and was taken back."
      }
    }
  }
}

output "limits" {
  value = { for name, h in play.limits.hosts : name => h.status }
}
