# The same container image on every node, provisioned, with an sshd of its own for MPI: on the cluster that `./cluster up` makes.
#
#   cvsplay run -i examples/docker-cluster/state/inventory.hcl examples/docker-cluster/hello.hcl

variable "image" {
  type        = string
  description = "Image to run on every node. The cluster's inventory names one of its own registry."
  default     = "docker.io/rocm/cvs:latest"
}

play "hello" {
  hosts = group.gpu

  step "image_digest" "image" {
    run_once = true
    image    = var.image
    insecure = true # the cluster's registry has no certificate
  }

  step "container_ensure" "box" {
    name     = "hello"
    image    = step.image.ref
    lifetime = "persistent"
    network  = "host"
  }

  step "exec_script" "greeting" {
    inside  = step.box
    creates = "/opt/hello/release"
    script  = <<-SH
      mkdir -p /opt/hello
      cp /etc/cvs-release /opt/hello/release
    SH
  }

  step "sshd_ensure" "mpi" {
    inside      = step.box
    port        = 2224
    cluster_key = true
  }

  step "exec_script" "release" {
    inside    = step.box
    read_only = true
    script    = "cat /opt/hello/release\n"
  }
}

output "release" {
  description = "What each node runs"
  value       = { for name, h in play.hello.hosts : name => try(trimspace(h.step.release.stdout), h.status) }
}
