play "p" {
  hosts = ["a"]

  step "exec_script" "x" {
    script = <<-EOT
      echo "$HOME" $(date) $${ok} %%{ok}
      level=${LEVEL:-4}                 # ERROR: write $${LEVEL:-4}
      curl -w "%{http_code}" "$url"     # ERROR: write %%{http_code}
      rpm -q --qf '%{VERSION}-%{RELEASE}' # ERROR: %%{VERSION} # ERROR: %%{RELEASE}
      base=${path##*/}                  # ERROR: write $${path##*/}
      echo "${#list[@]} ${list[@]}"     # ERROR: $${#list[@]} # ERROR: $${list[@]}
      echo "${@}" "${!ref}"             # ERROR: $${@} # ERROR: $${!ref}
      docker ps --format "x {{.ID}} ${VAR:-x}" # ERROR: write $${VAR:-x}
    EOT
  }

  step "exec_script" "fine" {
    script = "${var.a} %{ if var.b }x%{ endif }"
  }
}
