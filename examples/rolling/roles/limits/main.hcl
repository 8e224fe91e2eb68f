# The steps of a folder that a play includes: its variables are what the include block gives.

variable "locked_memory" {
  type = number

  validation {
    condition     = var.locked_memory >= 65536
    error_message = "Less than 64 MiB of locked memory is of no use to RDMA."
  }
}

step "file" "directory" {
  path  = "/etc/security/limits.d"
  state = "directory"
}

step "file" "conf" {
  path    = "/etc/security/limits.d/90-gpu.conf"
  content = templatefile("limits.tftpl", { kib = var.locked_memory })
  notify  = [handler.tell]
}

handler "exec_script" "tell" {
  script       = "echo \"limits changed: log in again\"\n"
  changed_when = false
}

output "path" {
  value = step.conf.path
}
