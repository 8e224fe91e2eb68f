# The standard play: 20 steps that do not depend on each other. The first run changes all of them, and no later one changes anything.

variable "base" {
  type        = string
  description = "The folder on the hosts that all of it is below. It has to be there"
}

play "standard" {
  hosts = group.bench

  step "file" "folder_1" {
    path  = "${var.base}/folder-1"
    state = "directory"
    mode  = "0755"
  }

  step "file" "folder_2" {
    path  = "${var.base}/folder-2"
    state = "directory"
    mode  = "0750"
  }

  step "file" "folder_3" {
    path  = "${var.base}/folder-3"
    state = "directory"
    mode  = "0700"
  }

  step "file" "folder_4" {
    path  = "${var.base}/folder-4"
    state = "directory"
    mode  = "0755"
  }

  step "file" "folder_5" {
    path  = "${var.base}/folder-5"
    state = "directory"
    mode  = "0755"
  }

  step "file" "file_1" {
    path    = "${var.base}/file-1.conf"
    content = "# settings of part 1\nname = part-1\nlimit = 1024\n"
    mode    = "0644"
  }

  step "file" "file_2" {
    path    = "${var.base}/file-2.conf"
    content = "# settings of part 2\nname = part-2\nlimit = 2048\n"
    mode    = "0644"
  }

  step "file" "file_3" {
    path    = "${var.base}/file-3.conf"
    content = "# settings of part 3\nname = part-3\nlimit = 3072\n"
    mode    = "0644"
  }

  step "file" "file_4" {
    path    = "${var.base}/file-4.conf"
    content = "# settings of part 4\nname = part-4\nlimit = 4096\n"
    mode    = "0644"
  }

  step "file" "file_5" {
    path    = "${var.base}/file-5.conf"
    content = "# settings of part 5\nname = part-5\nlimit = 5120\n"
    mode    = "0644"
  }

  step "line" "line_1" {
    path   = "${var.base}/line-1.conf"
    line   = "option_1 = 100"
    create = true
  }

  step "line" "line_2" {
    path   = "${var.base}/line-2.conf"
    line   = "option_2 = 200"
    create = true
  }

  step "line" "line_3" {
    path   = "${var.base}/line-3.conf"
    line   = "option_3 = 300"
    create = true
  }

  step "line" "line_4" {
    path   = "${var.base}/line-4.conf"
    line   = "option_4 = 400"
    create = true
  }

  step "line" "line_5" {
    path   = "${var.base}/line-5.conf"
    line   = "option_5 = 500"
    create = true
  }

  step "exec_script" "command_1" {
    script  = "echo done > ${var.base}/command-1\n"
    creates = "${var.base}/command-1"
  }

  step "exec_script" "command_2" {
    script  = "echo done > ${var.base}/command-2\n"
    creates = "${var.base}/command-2"
  }

  step "exec_script" "command_3" {
    script  = "echo done > ${var.base}/command-3\n"
    creates = "${var.base}/command-3"
  }

  step "exec_script" "command_4" {
    script = "echo done > ${var.base}/command-4\n"
    unless = "grep -q done ${var.base}/command-4"
  }

  step "exec_script" "command_5" {
    script = "echo done > ${var.base}/command-5\n"
    unless = "grep -q done ${var.base}/command-5"
  }
}
