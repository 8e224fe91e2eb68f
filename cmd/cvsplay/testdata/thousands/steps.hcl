# Twenty idempotent steps. The test runs them twice: nothing is left to do then.

play "first" {
  hosts = group.gpu

  step "file" "folder1" {
    path  = "/srv/node/part1"
    state = "directory"
  }

  step "file" "folder2" {
    path  = "/srv/node/part2"
    state = "directory"
  }

  step "file" "folder3" {
    path  = "/srv/node/part3"
    state = "directory"
  }

  step "file" "folder4" {
    path  = "/srv/node/part4"
    state = "directory"
  }

  step "file" "folder5" {
    path  = "/srv/node/part5"
    state = "directory"
  }

  step "file" "file1" {
    path    = "/srv/node/part1/settings"
    content = "name = ${host.name}\npart = 1\n"
  }

  step "file" "file2" {
    path    = "/srv/node/part2/settings"
    content = "name = ${host.name}\npart = 2\n"
  }

  step "file" "file3" {
    path    = "/srv/node/part3/settings"
    content = "name = ${host.name}\npart = 3\n"
  }

  step "file" "file4" {
    path    = "/srv/node/part4/settings"
    content = "name = ${host.name}\npart = 4\n"
  }

  step "file" "file5" {
    path    = "/srv/node/part5/settings"
    content = "name = ${host.name}\npart = 5\n"
  }

  step "line" "line1" {
    path   = "/srv/node/options1"
    line   = "option1 = yes"
    match  = "^option1 "
    create = true
  }

  step "line" "line2" {
    path   = "/srv/node/options2"
    line   = "option2 = yes"
    match  = "^option2 "
    create = true
  }

  step "line" "line3" {
    path   = "/srv/node/options3"
    line   = "option3 = yes"
    match  = "^option3 "
    create = true
  }

  step "line" "line4" {
    path   = "/srv/node/options4"
    line   = "option4 = yes"
    match  = "^option4 "
    create = true
  }

  step "line" "line5" {
    path   = "/srv/node/options5"
    line   = "option5 = yes"
    match  = "^option5 "
    create = true
  }

  step "exec_script" "made1" {
    script  = "touch /srv/node/made1"
    creates = "/srv/node/made1"
  }

  step "exec_script" "made2" {
    script  = "touch /srv/node/made2"
    creates = "/srv/node/made2"
  }

  step "exec_script" "made3" {
    script  = "touch /srv/node/made3"
    creates = "/srv/node/made3"
  }

  step "exec_script" "made4" {
    script  = "touch /srv/node/made4"
    creates = "/srv/node/made4"
  }

  step "exec_script" "made5" {
    script  = "touch /srv/node/made5"
    creates = "/srv/node/made5"
  }
}
