# Hosts that wait for each other: those that have answered stand idle at the barrier until the last one has.

play "waiting" {
  hosts = group.bench

  step "exec_script" "ready" {
    read_only = true
    timeout   = "30m"
    script    = "echo ready\n"
  }

  step "exec_script" "together" {
    barrier   = true
    read_only = true
    script    = "echo done\n"
  }
}
