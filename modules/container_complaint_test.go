package modules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/modules"
)

// What is wrong with a step is found before any host is contacted, and the error says what to write instead.
func TestContainerComplaints(t *testing.T) {
	for _, tt := range []struct{ row, args, want string }{
		{"enabled", `enabled = true`, "enabled is gone: leave the step out with when, or say who owns the container with lifetime"},
		{"enabled beside a valid lifetime", "lifetime = \"per_run\"\nenabled = false", "enabled is gone"},
		{"launch", `launch = true`, `launch is gone: for true write lifetime = "per_run", for false lifetime = "no_launch"`},
		{"launch beside a valid lifetime", "lifetime = \"no_launch\"\nlaunch = false", `launch is gone`},
		{"unknown options dropped silently", `volume = ["/a:/b"]`, `Did you mean "volumes"`},
		{"no such lifetime", `lifetime = "always"`, "no_launch"},
		{"no such runtime", `runtime = "dockr"`, "podman"},
		{"names of launches", `name = "x.new"`, `names that end in ".new" are for containers that are being launched`},
		{"labels of cvsplay", `labels = { "cvsplay.run" = "r1" }`, `labels that begin with "cvsplay." are set by cvsplay itself`},
		{"recreate what is never launched", "lifetime = \"no_launch\"\non_drift = \"recreate\"", `never does`},
		{"a pull beside an archive", "pull = \"always\"\nimage_tar = \"/srv/x.tar\"", "with image_tar nothing is pulled"},
		{"a login beside an archive", "image_tar = \"/srv/x.tar\"\nregistry {\n username = \"a\"\n password = \"b\"\n}", "nothing to log in for"},
		{"an empty command", `command = []`, "the command is empty"},
		{"a name that is none", `name = "-x"`, "not a container name"},
		{"a volume that is none", `volumes = ["/a"]`, "not HOST:CONTAINER[:ro]"},
		{"a limit that is none", `ulimit = ["memlock"]`, "not NAME=SOFT[:HARD]"},
		{"a duration that is none", `start_timeout = "soon"`, "start_timeout"},
	} {
		t.Run(tt.row, func(t *testing.T) {
			name := "name = \"box\"\n"
			if strings.HasPrefix(tt.args, "name ") {
				name = ""
			}
			path := filepath.Join(t.TempDir(), "p.hcl")
			text := "play \"p\" {\n hosts = group.all\n step \"container_ensure\" \"box\" {\n" + name + "image = \"rocm/cvs\"\n" + tt.args + "\n}\n}\n"
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			pb, _, diags := config.Load(path)
			if !diags.HasErrors() {
				_, diags = engine.NewPlan(pb, engine.PlanOptions{Modules: modules.All()})
			}
			if !diags.HasErrors() || !strings.Contains(diags.Error(), tt.want) {
				t.Errorf("the diagnostics do not say %q: %v", tt.want, diags)
			}
		})
	}
}
