# Removes what podman.hcl launched.

play "absent" {
  hosts = group.gpu

  step "container_absent" "app" {
    runtime = "podman"
    name    = "app"
  }
}
