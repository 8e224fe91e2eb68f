package main

import (
	"strings"
	"testing"
)

const stream = `
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: uses sshd\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: uses docker\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: needs cluster: not built\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
`

const failure = `
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:3: one is not two\n"}
{"Action":"fail","Package":"p","Test":"TestC"}
`

func TestSummary(t *testing.T) {
	end := `{"Action":"pass","Package":"p","Elapsed":1.5}` + "\n"
	for _, c := range []struct {
		name, stream, required string
		well                   bool
		want                   string
	}{
		{"all well", stream + end, "sshd", true, "1 packages, 1 tests passed, 1 skipped, 0 failures"},
		{"the reason of a skip", stream + end, "", true, "skipped, needs cluster: not built:\n  p TestB"},
		{"a part that nothing used", stream + end, "sudo", false, "real sudo             required, and no test that passed used it"},
		{"a part that only a skipped test used", stream + end, "docker", false, "real docker           required"},
		{"a part that was missed", stream + end, "cluster", false, "real cluster          required"},
		{"no skip at all", stream + end, "all sshd", false, "needs cluster"},
		{"all, and nothing skipped", end, "all", true, "0 failures"},
		{"a failure", stream + failure + end, "sshd", false, "c_test.go:3: one is not two"},
		{"no stream", "", "", false, "no package was tested"},
		{"the go command's own words", "go: no such package\n" + end, "", true, "go: no such package"},
	} {
		var out strings.Builder
		log := newLog(&out)
		if err := log.read(strings.NewReader(strings.TrimPrefix(c.stream, "\n"))); err != nil {
			t.Fatal(err)
		}
		if well := log.summary(strings.Fields(c.required)); well != c.well {
			t.Errorf("%s: well is %v\n%s", c.name, well, out.String())
		}
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: no %q in\n%s", c.name, c.want, out.String())
		}
	}
}
