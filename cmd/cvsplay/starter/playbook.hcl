# What the hosts should be like. Each step asks its host first, and acts only where something has to change:
#
#   cvsplay check playbook.hcl --diff    # what would change
#   cvsplay run playbook.hcl             # change it
#
# "cvsplay docs" lists the modules that steps are made of, "cvsplay docs file" documents one.

variable "greeting" {
  type        = string
  description = "What the message of the day says."
  default     = "Kept by cvsplay."
}

play "setup" {
  description = "A message of the day, and a look at the system"
  hosts       = group.gpu

  step "file" "motd" {
    become  = true
    path    = "/etc/motd"
    content = "This is ${host.name}. ${var.greeting}\n"
  }

  # It only looks, so it runs in check mode too.
  step "exec_script" "kernel" {
    read_only = true
    script    = "uname -r\n"
  }

  check "kernel_known" {
    condition     = length(trimspace(step.kernel.stdout)) > 0
    error_message = "${host.name} does not tell its kernel's version."
  }
}

output "kernels" {
  description = "Kernel of each host"
  value       = { for name, h in play.setup.hosts : name => try(trimspace(h.step.kernel.stdout), h.status) }
}
