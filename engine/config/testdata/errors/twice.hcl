play "p" {
  hosts = ["a"]

  step "file" "twice" {
    when = true
    when = false # ERROR: Attribute redefined
  }
}
