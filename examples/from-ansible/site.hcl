# What ansible/site.yml does, step by step.
#
#   cvsplay check site.hcl -i inventory.hcl --diff
#   cvsplay run site.hcl -i inventory.hcl

play "nodes" {
  description  = "Prepare the GPU nodes"
  hosts        = group.gpu
  become       = true
  batch        = [1, "100%"] # a canary first
  max_failures = "25%"

  # A package manager is a script with a guard: what "unless" asks decides whether it runs, in check mode too.
  step "exec_script" "packages" {
    script  = "apt-get -q update && apt-get -q install -y \"$@\"\n"
    args    = host.vars.packages
    unless  = "dpkg-query -W ${shellquote(host.vars.packages...)}"
    timeout = "10m"
    tags    = ["packages"]
    env     = { DEBIAN_FRONTEND = "noninteractive" }
  }

  step "file" "folders" {
    for_each = host.vars.folders
    path     = each.value
    state    = "directory"
    mode     = "0755"
  }

  step "file" "motd" {
    path    = "/etc/motd"
    content = templatefile("templates/motd.tmpl", { host = host })
  }

  step "file" "limits" {
    path    = "/etc/cluster/limits.conf"
    content = join("", [for name, value in host.vars.limits : "* - ${name} ${value}\n"])
  }

  step "line" "head" {
    path  = "/etc/hosts"
    match = "\\shead1$"
    line  = "${hosts["head1"].address} head1"
  }

  step "line" "sshd" {
    path     = "/etc/ssh/sshd_config"
    match    = "^#?MaxSessions "
    line     = "MaxSessions 64"
    validate = "/usr/sbin/sshd -t -f %s"
    notify   = [handler.reload_sshd]
  }

  block "tuning" {
    # What Ansible asks, registers, and acts on in a second task is one step here.
    step "exec_script" "numa" {
      script = "sysctl -w kernel.numa_balancing=0\n"
      unless = "test \"$(sysctl -n kernel.numa_balancing)\" = 0"
    }

    rescue {
      step "file" "untuned" {
        path    = "/etc/cluster/untuned"
        content = "kernel.numa_balancing\n"
      }
    }
  }

  # Reload sshd now, where its configuration has changed.
  step "flush_handlers" "now" {}

  step "exec_script" "sshd_runs" {
    read_only = true
    script    = "systemctl is-active ssh\n"
    ok_codes  = [0, 3]
    retry {
      attempts = 4 # the first among them
      delay    = "1s"
      until    = trimspace(self.stdout) == "active"
    }
  }

  # Facts are gathered where an expression reads them.
  check "gpus" {
    condition     = host.facts.gpu.count == host.vars.gpus
    error_message = "${host.facts.gpu.count} GPUs of ${host.vars.gpus}"
  }

  step "line" "sign_in" {
    on     = "head1"
    path   = "/etc/cluster-ready"
    line   = host.name
    create = true
  }

  handler "exec_script" "reload_sshd" {
    script = "systemctl reload ssh\n"
  }
}

play "head" {
  description = "Tell the head node"
  hosts       = group.head
  become      = true

  step "file" "nodes" {
    path    = "/etc/cluster-nodes"
    content = join("", [for name, h in play.nodes.hosts : "${name}\n" if h.ok])
  }
}
