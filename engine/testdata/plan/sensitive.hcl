variable "token" {
  type      = string
  default   = "canary-in-the-plan"
  sensitive = true
}

variable "hosts" {
  type      = list(string)
  default   = ["n1"]
  sensitive = true
}

play "p" {
  hosts = group.all

  step "value" "a" {
    key   = "a"
    value = "1"
    label = var.token # ERROR: label: a sensitive value would show in the host's process list or settings; hand it over by stdin, env or a file.
  }
  step "value" "b" {
    key      = "a"
    value    = "1"
    for_each = var.hosts # ERROR: for_each may not be sensitive
  }
  step "value" "c" {
    key      = each.key
    value    = "1"
    for_each = [var.token] # ERROR: for_each may not have sensitive keys
  }
  step "value" "d" {
    key   = "a"
    value = "1"
    mode  = var.token # ERROR: mode:
    token = var.token
    env   = { TOKEN = var.token }
  }
}
