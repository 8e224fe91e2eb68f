# The inventory that is used where no other is given: four simulated GPU hosts inside the cvsplay process. They are reached
# over real SSH, without a port of this machine, and nothing of it is read or changed.
#
# For machines of your own, write an inventory.hcl next to your playbook:
#
#   defaults {
#     ssh { user = "amd" }
#   }
#
#   group "gpu" {
#     hosts = nodes("node[001-016]")
#   }

source "lab" "gpu" {
  count  = 4
  name   = "gpu"
  groups = ["gpu"]
  gpu    = "MI300X"
  gpus   = 8
}
