# Ansible's inventory, used as it is. What else is to be said of its hosts and groups goes into this file, or one more with -i: it wins over
# what the source says.

source "ansible" "site" {
  file = "ansible/hosts.ini"
}
