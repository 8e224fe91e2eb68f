source "lab" "gpu" {
  count  = 9
  groups = ["gpu"]
}
