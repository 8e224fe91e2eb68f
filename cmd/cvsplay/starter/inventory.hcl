# The hosts. These four are simulated, inside the cvsplay process, so that the playbook beside this file runs at once. For machines of your own
# take the lab source out and put this in its place:
#
#   defaults {
#     ssh {
#       user = "amd"
#     }
#   }
#
#   group "gpu" {
#     hosts = nodes("node[001-016]")
#   }
#
# "cvsplay inventory list" shows which hosts there are, "cvsplay ping" which of them can be reached.

source "lab" "gpu" {
  count  = 4
  groups = ["gpu"]
}
