locals {
  everywhere = host.facts.os # ERROR: "host" needs a host
}

play "p" {
  hosts = group.gpu
  locals {
    known = host.facts.cpu.count
    typo  = host.facts.cpu.sokets # ERROR: There is no fact of cpu "sokets". Did you mean "sockets"?
  }
  step "value" "family" {
    key   = host.facts.gpus.count # ERROR: There is no family of facts "gpus". Did you mean "gpu"?
    value = try(host.facts.infiniband.count, 0) # ERROR: There is no family of facts "infiniband". There is: os, kernel, cpu, memory, gpu, rocm, ib.
  }
  step "value" "attribute" {
    key   = host.facts.gpu.cuont # ERROR: There is no fact of gpu "cuont". Did you mean "count"?
    value = try(host.facts.os.codname, "") # ERROR: There is no fact of os "codname". Did you mean "codename"?
    when  = hosts["n2"].facts.rocm.verison == "7" # ERROR: There is no fact of rocm "verison". Did you mean "version"?
  }
  step "value" "item" {
    key   = host.facts.gpu.devices[0].modell # ERROR: There is no fact of gpu.devices "modell". Did you mean "model"?
    value = host.facts.ib.devices[*].sate # ERROR: There is no fact of ib.devices "sate". Did you mean "state"?
    when  = host.facts["os"]["nmae"] == "x" # ERROR: There is no fact of os "nmae". Did you mean "name"?
  }
  step "value" "type" {
    key   = host.facts.os.name
    value = local.known
    size  = host.facts.gpu.devices # ERROR: number required, but have list of object
    when  = host.facts.os.id == "debian" && host.facts.gpu.devices[0].model == "x" && host.facts.kernel.parameters["iommu"] == "pt"
  }
  check "lists" {
    condition     = alltrue([for d in host.facts.gpu.devices : d.model == "x"]) && length(host.facts.ib.devices) > 0
    error_message = "${host.name}: ${host.facts.memory.total}"
  }
  check "right" {
    condition     = host.facts[host.name] != null && host.facts != null && hosts[host.name].facts.os.id == "debian"
    error_message = "no"
  }
}

output "facts" {
  value = play.p.hosts["n1"].facts # ERROR: There is no value of a play's host "facts"
}
