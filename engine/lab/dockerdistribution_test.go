package lab

import (
	"strings"
	"testing"
)

// The engine's API, by the way that docker has to it: statuses and words are those of a real engine.
func TestDockerDistribution(t *testing.T) {
	h := oneHost(t)
	say := func(script string) string { return h.sh("root", "exec 2>&1\n"+script).stdout }
	login := "eyJ1c2VybmFtZSI6IiIsInBhc3N3b3JkIjoiIn0="
	for _, tt := range []struct{ name, path, status, body string }{
		{"an index", "/distribution/docker.io/rocm/cvs:latest/json", "200 OK", `"mediaType":"application/vnd.oci.image.index.v1+json"`},
		{"its platforms", "/distribution/docker.io/rocm/cvs:latest/json", "200 OK", `{"architecture":"arm64","os":"linux","variant":"v8"}`},
		{"an unknown tag", "/distribution/docker.io/rocm/cvs:nope/json", "404 Not Found", `{"message":"manifest unknown: manifest unknown"}`},
		{"no reference", "/distribution/Bad:1/json", "400 Bad Request", "invalid reference format"},
		{"no login", "/distribution/" + PrivateRegistry + "/rocm/cvs:latest/json", "500 Internal Server Error", "no basic auth credentials"},
		{"a registry that is down", "/distribution/" + DownRegistry + "/app:1/json", "500 Internal Server Error", "connection refused"},
		{"nobody's host", "/distribution/nobody.example.com/app:1/json", "500 Internal Server Error", "no such host"},
		{"another path", "/containers/json", "404 Not Found", `{"message":"page not found"}`},
	} {
		out := say("printf 'GET " + tt.path + " HTTP/1.0\\r\\nX-Registry-Auth: " + login + "\\r\\n\\r\\n' | docker system dial-stdio")
		if !strings.HasPrefix(out, "HTTP/1.0 "+tt.status+"\r\n") || !strings.Contains(out, tt.body) {
			t.Errorf("%s: %s", tt.name, out)
		}
	}
	if out := say("echo hello | docker system dial-stdio"); !strings.HasPrefix(out, "HTTP/1.1 400 Bad Request") {
		t.Errorf("no request: %s", out)
	}
	if out := say("docker system prune; echo rc=$?"); !strings.Contains(out, "is not a docker command of the lab") || strings.Contains(out, "rc=0") {
		t.Errorf("another command: %s", out)
	}
}
