package inventory

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// settingsHere says where a setting stands that people write into a host, a group or the defaults.
var settingsHere = map[string]string{
	"user":                         "ssh { user = … }",
	"port":                         "ssh { port = … }",
	"identity_files":               "ssh { identity_files = […] }",
	"bastion":                      "ssh { bastion = … }",
	"private_key":                  "ssh { identity_files = […] }",
	"private_key_file":             "identity_files = […] of the ssh block",
	"identity_file":                "identity_files = […] of the ssh block",
	"key_file":                     "identity_files = […] of the ssh block",
	"proxy_jump":                   "bastion = … of the ssh block",
	"password":                     "ssh { password = env(\"NAME\") }",
	"host":                         "hosts = [\"NAME\"] of the group, and for its settings a host block beside the group",
	"ip":                           "address = …",
	"hostname":                     "address = …",
	"become_user":                  "become { user = … }",
	"become_method":                "become { method = … }",
	"vars":                         "vars = { NAME = … }",
	"ansible_host":                 "address = …",
	"ansible_port":                 "ssh { port = … }",
	"ansible_user":                 "ssh { user = … }",
	"ansible_connection":           "connection = …",
	"ansible_ssh_private_key_file": "ssh { identity_files = […] }",
	"ansible_become":               "become = true of a step",
	"ansible_become_user":          "become { user = … }",
	"ansible_ssh_common_args":      "ssh { bastion = … }, or ~/.ssh/config",
}

var unexpected = regexp.MustCompile(`^(?:An argument named|Blocks of type) "([^"]+)"`)

// advise adds to a diagnostic of the decoder where such a setting stands here.
func advise(d *hcl.Diagnostic) {
	found := unexpected.FindStringSubmatch(d.Detail)
	if found == nil || strings.Contains(d.Detail, "Did you mean") {
		return
	}
	if where, known := settingsHere[found[1]]; known {
		d.Detail += fmt.Sprintf(" Here it is %s.", where)
	}
}
