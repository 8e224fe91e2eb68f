# One large file.

variable "base" {
  type        = string
  description = "The folder on the host that it goes to"
}

variable "source" {
  type        = string
  description = "The file on the controller"
}

play "large" {
  hosts = group.bench

  step "file" "large" {
    path   = "${var.base}/large"
    source = var.source
  }
}
