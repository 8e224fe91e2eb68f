package modules

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func TestContainerRegistryBlock(t *testing.T) {
	null, secret := cty.NullVal(cty.String), cty.StringVal("s3cret").Mark("sensitive")
	for _, c := range []struct {
		name                     string
		username, password, file cty.Value
		want                     string // "": nothing is wrong
	}{
		{"all null: no login", null, null, null, ""},
		{"all null, the password sensitive", null, null.Mark("sensitive"), null, ""},
		{"account and password", cty.StringVal("me"), secret, null, ""},
		{"account and file", cty.StringVal("me"), null, cty.StringVal("/root/token"), ""},
		{"account and a password that only the run tells", cty.StringVal("me"), cty.UnknownVal(cty.String), null, ""},
		{"account alone", cty.StringVal("me"), null, null, "a login needs password or password_file"},
		{"password alone", null, secret, null, "a login needs username"},
		{"both", cty.StringVal("me"), secret, cty.StringVal("/root/token"), "give either password or password_file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := checkContainer(engine.Inputs{"registry": cty.ObjectVal(map[string]cty.Value{
				"server": cty.StringVal("docker.io"), "username": c.username, "password": c.password, "password_file": c.file,
			})})
			var say []string
			for _, complaint := range got {
				say = append(say, complaint.Say)
			}
			if strings.Join(say, "; ") != c.want {
				t.Errorf("complaints %q, want %q", say, c.want)
			}
		})
	}
}

func TestContainerPullWithoutAccountDoesNotLogIn(t *testing.T) {
	ref, err := parseReference("docker.io/rocm/cvs:latest")
	if err != nil {
		t.Fatal(err)
	}
	for account, login := range map[string]bool{"": false, "me": true} {
		sh := containerArgs{Runtime: engine.AutoRuntime, Registry: &containerRegistry{Server: "docker.io", Username: account, Password: "s3cret"}}.pullImage(ref)
		if got := strings.Contains(sh.Text, "ctr_pull_as"); got != login {
			t.Errorf("account %q: logs in: %v, want %v", account, got, login)
		}
		if !login && len(sh.Stdin) > 0 {
			t.Errorf("account %q: the password travels though nobody logs in", account)
		}
	}
}
