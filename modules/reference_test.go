package modules

import (
	"strings"
	"testing"
)

func TestParseReference(t *testing.T) {
	d := "sha256:" + strings.Repeat("ab", 32)
	tests := []struct{ in, want string }{
		{"rvs", "docker.io/library/rvs:latest"},
		{"rocm/cvs", "docker.io/rocm/cvs:latest"},
		{"docker.io/rocm/cvs:6.2", "docker.io/rocm/cvs:6.2"},
		{"index.docker.io/rvs", "docker.io/library/rvs:latest"},
		{"localhost/app", "localhost/app:latest"},
		{"localhost:5000/app:v1", "localhost:5000/app:v1"},
		{"reg.example.com:5000/a/b-c/d__e:x_1", "reg.example.com:5000/a/b-c/d__e:x_1"},
		{"[::1]:5000/app", "[::1]:5000/app:latest"},
		{"rvs@" + d, "docker.io/library/rvs@" + d},
		{"rvs:1@" + d, "docker.io/library/rvs:1@" + d},
		{"Host/app", "Host/app:latest"},
		{"", "error: it has no name"},
		{":1", "error: it has no name"},
		{"Rvs", "error: \"library/Rvs\" is no repository name"},
		{"a..b", "error: is no repository name"},
		{"a___b", "error: is no repository name"},
		{"a//b", "error: is no repository name"},
		{"-a", "error: is no repository name"},
		{"--privileged", "error: is no repository name"},
		{"a:b c", "error: is no tag"},
		{"a: ", "error: is no tag"},
		{"a@sha256:12", "error: is no digest"},
		{"a@", "error: is no digest"},
		{"a_b.example/app", "error: \"a_b.example\" is no registry"},
		{strings.Repeat("ab", 32), "error: is an image id"},
		{strings.Repeat("a", 260), "error: longer than"},
		{"a\nb", "error: is no repository name"},
	}
	for _, tt := range tests {
		r, err := parseReference(tt.in)
		got := r.String()
		if err != nil {
			got = "error: " + err.Error()
		}
		if want, isErr := strings.CutPrefix(tt.want, "error: "); isErr {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
			}
			continue
		}
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
		}
	}
}
