# Runs the ROCm Validation Suite (RVS) where install_rvs.hcl, or rvs.hcl, has installed it: in the container that is there, or on the nodes
# themselves. Nothing is launched and nothing installed; where a node does not run the container, no test is started anywhere.
#
#   cvsplay run playbooks/run_rvs.hcl -i inventory.hcl
#   cvsplay run playbooks/run_rvs.hcl -i inventory.hcl --var rvs_level=0     every test by itself, instead of a level

variable "target" {
  type        = string
  description = "Where RVS runs: container or baremetal."
  default     = "container"

  validation {
    condition     = contains(["container", "baremetal"], var.target)
    error_message = "The target is \"container\" or \"baremetal\"."
  }
}

variable "image" {
  type        = string
  description = "Image that every node runs, as a tag or a digest."
  default     = "docker.io/rocm/cvs:latest"

  validation {
    condition     = can(regex("[:@]", basename(var.image)))
    error_message = "The image has to carry a tag or a digest."
  }
}

variable "container" {
  type        = string
  description = "Name of the container."
  default     = "cvs_rvs"
}

variable "rocm_path" {
  type        = string
  description = "Where ROCm is; by itself it is the newest /opt/rocm/core-*, else /opt/rocm."
  default     = null
}

variable "rvs_level" {
  type        = number
  description = "Level of the tests, from 1 (quick) to 5; 0 runs each test by itself."
  default     = 4

  validation {
    condition     = contains([0, 1, 2, 3, 4, 5], var.rvs_level)
    error_message = "RVS has the levels 1 to 5; 0 runs each test by itself."
  }
}

locals {
  in_container = var.target == "container"
  has_levels   = "1.3.0" # from this version on RVS knows levels
  verdicts     = { ok = "pass", failed = "fail", skipped = "skipped" }
  tests        = yamldecode(file("rvs_tests.yaml"))
}

play "run_rvs" {
  description = "Run RVS on GPU nodes"
  hosts       = group.gpu

  locals {
    place = local.in_container ? step.box : null
    rocm  = trimspace(step.rocm.stdout)
    root  = trimspace(step.suite.stdout)
    rvs   = "${local.root}/bin/rvs"
    conf  = trimspace(step.conf.stdout)

    # Older tools print the list alone.
    gpus  = try(jsondecode(step.model.stdout).gpu_data, jsondecode(step.model.stdout), [])
    model = try(local.gpus[0].asic.market_name, null)

    # RVS from a tarball does not find its libraries by itself.
    rvs_env = endswith(local.root, "/extras-7") ? { LD_LIBRARY_PATH = "${local.root}/lib:${local.rocm}/lib:${local.rocm}/lib/llvm/lib" } : {}

    # All nodes run the same tests, so the oldest RVS among them decides whether these are a level.
    version    = "[0-9]+[.][0-9]+[.][0-9]+"
    lowest     = versort([for n in run.hosts : regex(local.version, hosts[n].step.version.stdout)])[0]
    one_by_one = var.rvs_level == 0 || vercmp(local.lowest, local.has_levels) < 0

    # What the tests that failed say: the first line that should not be there, else how they ended.
    failures = { for test, t in step.test : test => try(
      t.matches[0].line,
      t.rc != 0 ? "rvs ended with ${t.rc}" : "there is no output",
      "it did not end in time",
    ) if try(!t.ok, false) }
  }

  step "container_ensure" "box" {
    when     = local.in_container
    name     = var.container
    image    = var.image
    lifetime = "no_launch" # it is there, or nothing goes on
  }

  step "exec_script" "rocm" {
    description = "Find ROCm"
    inside      = local.place
    read_only   = true
    script      = file("scripts/rocm_path.sh")
    args        = compact([var.rocm_path])
  }

  step "exec_script" "suite" {
    description = "Find an RVS that runs, with all its libraries"
    inside      = local.place
    read_only   = true
    env         = { ROCM_PATH = local.rocm }
    script      = file("scripts/rvs_usable.sh")
  }

  step "exec_script" "version" {
    inside    = local.place
    read_only = true
    env       = local.rvs_env
    command   = [local.rvs, "--version"]
  }

  check "version_known" {
    condition     = can(regex(local.version, step.version.stdout))
    error_message = "${local.rvs} --version prints no version: ${trimspace(step.version.stdout)}"
  }

  step "exec_script" "gpus" {
    description = "List the GPUs that RVS can test"
    inside      = local.place
    read_only   = true
    env         = local.rvs_env
    command     = [local.rvs, "-g"]
    fail_regex  = ["No supported GPUs available"]
    timeout     = "60s"
  }

  step "exec_script" "model" {
    description = "Ask the first GPU for its model"
    inside      = local.place
    read_only   = true
    timeout     = "60s"
    args        = [local.rocm]
    script      = <<-EOT
      PATH=$PATH:$1/bin:/opt/rocm/bin
      exec amd-smi static -a -g 0 --json
    EOT
  }

  check "model_known" {
    condition     = local.model != null
    error_message = "amd-smi tells no model: ${trimspace(step.model.stdout)}"
  }

  step "exec_script" "conf" {
    description = "Find the configuration for that model; where there is none, the one for all models serves"
    inside      = local.place
    read_only   = true
    args = [
      "${local.root}/share/rocm-validation-suite/conf",
      replace(trimprefix(local.model, "AMD Instinct "), " ", ""),
    ]
    script = <<-EOT
      if [ -d "$1/$2" ]; then echo "$1/$2"; else echo "$1"; fi
    EOT
  }

  step "exec_script" "test" {
    for_each      = local.tests
    when          = each.key == "level" ? !local.one_by_one : local.one_by_one
    inside        = local.place
    become        = each.value.root
    env           = local.rvs_env
    command       = concat([local.rvs], each.key == "level" ? ["-r", tostring(var.rvs_level)] : ["-c", "${local.conf}/${each.value.file}"])
    fail_regex    = lines(each.value.fail)
    ok_regex      = ["\\S"] # a test that says nothing has not passed
    timeout       = each.value.timeout
    artifact      = "rvs/${each.key}.log"
    changed_when  = false # a test is no change
    ignore_errors = true  # the next one runs all the same; the check below has the verdict
    tags          = ["test"]
  }

  check "passed" {
    condition     = length(local.failures) == 0
    error_message = join("\n", [for test, why in local.failures : "${test}: ${why}"])
  }
}

output "rvs" {
  description = "Verdict of each test on each node"
  value = { for node, h in play.run_rvs.hosts : node => {
    for test in keys(local.tests) : test => run.check ? "skipped" : try(local.verdicts[h.step.test[test].status], h.step.test[test].status, "not run")
  } }
}

output "rvs_seconds" {
  description = "How long each test took on each node"
  value = { for node, h in play.run_rvs.hosts : node => {
    for test in keys(local.tests) : test => ceil(h.step.test[test].duration) if can(ceil(h.step.test[test].duration))
  } if !run.check && anytrue([for test in keys(local.tests) : can(ceil(h.step.test[test].duration))]) }
}

output "rvs_range" {
  description = "How long each test took on the fastest and on the slowest node, and which that is"
  value = { for test, took in {
    for test in keys(local.tests) : test => {
      for node, h in play.run_rvs.hosts : node => ceil(h.step.test[test].duration) if can(ceil(h.step.test[test].duration))
    }
    } : test => {
    fastest    = min(values(took)...)
    slowest    = max(values(took)...)
    slowest_on = fold({ for node, seconds in took : tostring(seconds) => node... }[tostring(max(values(took)...))])
  } if !run.check && length(took) > 0 }
}

output "rvs_skipped" {
  description = "Why tests were left out"
  value = run.check ? {} : { for test in keys(local.tests) : test => (
    test != "level" ? "level ${var.rvs_level} stands for it" :
    var.rvs_level == 0 ? "rvs_level is 0: each test by itself" :
    "there are no levels before RVS ${local.has_levels}, which a node has: each test by itself"
  ) if anytrue([for h in play.run_rvs.hosts : try(h.step.test[test].skipped, false)]) }
}
