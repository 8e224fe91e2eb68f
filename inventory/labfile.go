package inventory

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/lab"
	"cvsplay/engine/nodeset"
)

// A LabFile is what an inventory for a lab of another process says besides its hosts.
type LabFile struct {
	KeyFile        string            // the client key
	KnownHostsFile string            // the host keys
	User           string            // root where empty
	Groups         []string          // groups that all hosts are in; gpu where empty
	Variables      map[string]string // values for playbooks: the image, as the lab's registry has it
}

// LabMark stands in the first line of every inventory that WriteLab wrote.
const LabMark = "simulated hosts of a lab that runs in a process of its own"

// WriteLab writes an inventory file for a lab that keeps running, so that other processes can use it over plain SSH.
func WriteLab(w io.Writer, l *lab.Lab, o LabFile) error {
	if o.User == "" {
		o.User = "root"
	}
	if len(o.Groups) == 0 {
		o.Groups = []string{"gpu"}
	}
	file := hclwrite.NewEmptyFile()
	body := file.Body()
	ssh := body.AppendNewBlock("defaults", nil).Body().AppendNewBlock("ssh", nil).Body()
	ssh.SetAttributeValue("user", cty.StringVal(o.User))
	ssh.SetAttributeValue("identity_files", nameList([]string{o.KeyFile}))
	ssh.SetAttributeValue("known_hosts_files", nameList([]string{o.KnownHostsFile}))
	ssh.SetAttributeValue("config", cty.False)
	var names []string
	for _, h := range l.Hosts() {
		names = append(names, h.Name())
		body.AppendNewline()
		host := body.AppendNewBlock("host", []string{h.Name()}).Body()
		host.SetAttributeValue("address", cty.StringVal(h.Address()))
		host.AppendNewBlock("ssh", nil).Body().SetAttributeValue("port", cty.NumberIntVal(int64(h.Port())))
	}
	for _, g := range o.Groups {
		body.AppendNewline()
		group := body.AppendNewBlock("group", []string{g}).Body()
		group.SetAttributeRaw("members", hclwrite.TokensForFunctionCall("nodes", hclwrite.TokensForValue(cty.StringVal(nodeset.Fold(names)))))
	}
	if len(o.Variables) > 0 {
		body.AppendNewline()
		variables := body.AppendNewBlock("variables", nil).Body()
		for _, name := range slices.Sorted(maps.Keys(o.Variables)) {
			variables.SetAttributeValue(name, cty.StringVal(o.Variables[name]))
		}
	}
	head := fmt.Sprintf("# %d %s. It is of no use once that process has ended.\n\n", len(names), LabMark)
	_, err := io.Copy(w, io.MultiReader(strings.NewReader(head), bytes.NewReader(hclwrite.Format(file.Bytes()))))
	return err
}

// SaveLab writes such an inventory to a file, and next to it the client key and the host keys, as PATH.key and PATH.known_hosts
// (without the suffix of PATH). It gives the names of all three.
func SaveLab(path string, l *lab.Lab, o LabFile) ([]string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	stem := strings.TrimSuffix(abs, ".hcl")
	o.KeyFile, o.KnownHostsFile = stem+".key", stem+".known_hosts"
	var text bytes.Buffer
	if err := WriteLab(&text, l, o); err != nil {
		return nil, err
	}
	var written []string
	for _, f := range []struct {
		path string
		data []byte
		mode os.FileMode
	}{
		{o.KeyFile, l.ClientKey(), 0o600},
		{o.KnownHostsFile, l.KnownHosts(), 0o644},
		{abs, text.Bytes(), 0o644}, // last: what reads it finds the others
	} {
		if err := replaceFile(f.path, f.data, f.mode); err != nil {
			return written, err
		}
		written = append(written, f.path)
	}
	return written, nil
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, data []byte, mode os.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".cvsplay-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Chmod(mode)
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	return err
}
