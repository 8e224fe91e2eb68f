package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// inspectPodman is the container as podman inspect describes it. The caller holds the engine's mutex.
func (c *container) inspectPodman(state object) object {
	if state["Health"] == nil {
		state["Health"] = object{"Status": "", "FailingStreak": 0, "Log": nil}
	}
	state["OciVersion"] = "1.0.2-dev"
	argv, config := c.argv(), c.image.entry
	user, _ := c.user(c.plainWorld(), c.spec.User)
	entrypoint, cmd := "", argv
	if c.spec.Entrypoint != "" {
		entrypoint, cmd = argv[0], argv[1:]
	}
	about := object{
		"Hostname": c.hostname(), "Domainname": "", "User": c.spec.User, "AttachStdin": false, "AttachStdout": false, "AttachStderr": false, "Tty": false, "OpenStdin": c.spec.Interact,
		"StdinOnce": false, "Env": c.env(user), "Cmd": orEmpty(cmd), "Image": c.imageName, "Volumes": nil, "WorkingDir": orDefault(c.spec.Workdir, "/"),
		"Entrypoint": entrypoint, "OnBuild": nil, "Labels": orNullMap(c.spec.Labels), "StopSignal": 15, "Umask": "0022", "Timeout": 0, "StopTimeout": 10,
		"Annotations": object{
			"io.podman.annotations.autoremove": podmanBool(c.spec.Remove), "io.podman.annotations.init": podmanBool(c.spec.Init),
			"io.podman.annotations.privileged": podmanBool(c.spec.Privileged),
		},
	}
	if h := orDefault(c.spec.Health, config.Health); h != nil {
		about["Healthcheck"] = h
	}
	return object{
		"Id": c.id, "Created": stamp(c.created), "Path": argv[0], "Args": orEmpty(argv[1:]), "State": state, "Image": strings.TrimPrefix(c.image.id, "sha256:"),
		"ImageDigest": c.engine.digestPodman(c.image), "ImageName": c.imageName, "Rootfs": "", "Pod": "", "Name": c.name, "RestartCount": c.restarts, "Driver": "overlay", "OCIRuntime": "crun",
		"Mounts": c.podmanMounts(), "IsInfra": false, "Config": about, "HostConfig": c.podmanHostConfig(),
		"NetworkSettings": object{"IPAddress": "", "Gateway": "", "Ports": c.podmanPorts()},
	}
}

func podmanBool(b bool) string { return strings.ToUpper(strconv.FormatBool(b)) }

// plainWorld is the container's world, or one that only has its files where it has never run.
func (c *container) plainWorld() *World {
	if c.world != nil {
		return c.world
	}
	return &World{fs: c.fs}
}

func (c *container) podmanHostConfig() object {
	s := c.spec
	caps, ulimits := []string{}, []object{}
	for _, name := range s.CapAdd {
		caps = append(caps, "CAP_"+strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	slices.Sort(caps)
	given := map[string]bool{}
	for _, u := range s.Ulimits {
		given[u.Name] = true
		ulimits = append(ulimits, object{"Name": "RLIMIT_" + strings.ToUpper(u.Name), "Soft": u.Soft, "Hard": u.Hard})
	}
	for _, name := range []string{"nofile", "nproc"} { // podman raises these for every container
		if !given[name] {
			ulimits = append(ulimits, object{"Name": "RLIMIT_" + strings.ToUpper(name), "Soft": 1048576, "Hard": 1048576})
		}
	}
	policy, retries, _ := strings.Cut(s.Restart, ":")
	count, _ := strconv.Atoi(retries)
	o := object{
		"Binds": c.podmanBinds(), "NetworkMode": orDefault(s.Network, "bridge"), "PortBindings": c.podmanPorts(), "RestartPolicy": object{"Name": policy, "MaximumRetryCount": count},
		"AutoRemove": s.Remove, "CapAdd": caps, "CapDrop": []string{}, "GroupAdd": orEmpty(s.GroupAdd), "IpcMode": orDefault(s.IPC, "shareable"), "PidMode": orDefault(s.PID, "private"),
		"Privileged": s.Privileged, "SecurityOpt": podmanSecurity(s.SecurityOpt), "ShmSize": orDefault(s.ShmSize, 65536000), "Devices": c.podmanDevices(), "Ulimits": ulimits,
		"UTSMode": "private", "Runtime": "oci", "CgroupManager": "systemd", "PidsLimit": 2048,
	}
	if s.Init {
		o["Init"] = true
	}
	return o
}

// podmanSecurity are the options in podman's order.
func podmanSecurity(given []string) []string {
	out := []string{}
	for _, kind := range []string{"no-new-privileges", "label", "seccomp", "apparmor"} {
		for _, o := range given {
			if name, _, _ := strings.Cut(strings.Replace(o, ":", "=", 1), "="); name == kind {
				out = append(out, strings.Replace(o, ":", "=", 1))
			}
		}
	}
	return out
}

// podmanBinds are the volumes as podman spells them: those with a name first.
func (c *container) podmanBinds() []string {
	named, plain := []string{}, []string{}
	for _, b := range c.spec.Binds {
		parts := strings.Split(b, ":")
		rights := "rw"
		if len(parts) == 3 && slices.Contains(strings.Split(parts[2], ","), "ro") {
			rights = "ro"
		}
		if strings.HasPrefix(parts[0], "/") {
			plain = append(plain, fmt.Sprintf("%s:%s:%s,rprivate,rbind", parts[0], parts[1], rights))
		} else {
			named = append(named, fmt.Sprintf("%s:%s:%s,rprivate,nosuid,nodev,rbind", parts[0], parts[1], rights))
		}
	}
	return append(named, plain...)
}

func (c *container) podmanMounts() []object {
	out := []object{}
	for _, b := range c.spec.Binds {
		parts := strings.Split(b, ":")
		o := object{
			"Type": "bind", "Source": parts[0], "Destination": parts[1], "Driver": "", "Mode": "", "Options": []string{"rbind"}, "RW": len(parts) < 3 || !slices.Contains(strings.Split(parts[2], ","), "ro"),
			"Propagation": "rprivate",
		}
		if !strings.HasPrefix(parts[0], "/") {
			o["Type"], o["Name"], o["Source"], o["Driver"] = "volume", parts[0], c.engine.store+"/volumes/"+parts[0]+"/_data", "local"
		}
		out = append(out, o)
	}
	return out
}

// podmanDevices are the devices, one by one where a folder of them was given.
func (c *container) podmanDevices() []object {
	out := []object{}
	for _, d := range c.spec.Devices {
		_ = c.engine.host.FS().Walk(d.Host, func(path string, info Info) error {
			if !info.IsDir() {
				out = append(out, object{"PathOnHost": path, "PathInContainer": d.Inside + strings.TrimPrefix(path, d.Host), "CgroupPermissions": ""})
			}
			return nil
		})
	}
	return out
}

func (c *container) podmanPorts() object {
	ports := object{}
	for _, p := range c.spec.Ports {
		have, _ := ports[p.Inside].([]object)
		ports[p.Inside] = append(have, object{"HostIp": p.IP, "HostPort": p.Host})
	}
	return ports
}

// digestPodman is the digest that podman names an image by: the first that it learnt. The caller holds mu.
func (e *ContainerEngine) digestPodman(img *labImage) string {
	if known := e.known[img.id]; len(known) > 0 {
		return known[0]
	}
	return ""
}

// inspectImagePodman is an image as podman describes it: without its variant. The caller holds mu.
func (e *ContainerEngine) inspectImagePodman(img *labImage, layers []string) object {
	manifest, _ := img.image.MediaType() // of an image that was made here
	o := object{
		"Id": strings.TrimPrefix(img.id, "sha256:"), "Digest": e.digestPodman(img), "RepoTags": e.repoTags(img), "RepoDigests": e.repoDigests(img), "Parent": "", "Comment": "",
		"Created": stamp(img.created), "Author": "", "Architecture": img.platform.Architecture, "Os": img.platform.OS, "Size": img.size, "VirtualSize": img.size, "Version": "",
		"Config": object{"Env": img.entry.Env, "Cmd": img.entry.Command}, "RootFS": object{"Type": "layers", "Layers": layers}, "Labels": nil, "Annotations": object{},
		"ManifestType": string(manifest), "User": "", "NamesHistory": e.repoTags(img),
	}
	if img.entry.Health != nil {
		o["HealthCheck"] = img.entry.Health
	}
	return o
}
