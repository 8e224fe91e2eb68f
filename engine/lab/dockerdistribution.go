package lab

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/pflag"
)

// dialStdio is docker system dial-stdio: the way to the engine's API over the standard streams. The lab's engine answers one request, and knows
// one path: what a registry says of an image, asked with the login that the request brings.
func (d *dockerCLI) dialStdio(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		req, err := http.ReadRequest(bufio.NewReader(d.p.Stdin()))
		if err != nil {
			fmt.Fprint(d.out(), "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request")
			return nil //nolint:nilerr // the engine says it, and the way to it worked
		}
		status, about := d.api(req)
		body, err := json.Marshal(about)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out(), "HTTP/1.0 %d %s\r\nApi-Version: %s\r\nContent-Type: application/json\r\nServer: Docker/%s (linux)\r\nContent-Length: %d\r\n\r\n%s\n",
			status, http.StatusText(status), dockerAPI, dockerVersion, len(body)+1, body)
		return nil
	}
}

// api answers one request to the engine.
func (d *dockerCLI) api(req *http.Request) (status int, answer object) {
	path := strings.TrimPrefix(req.URL.Path, "/v"+dockerAPI)
	name, ok := strings.CutPrefix(strings.TrimSuffix(path, "/json"), "/distribution/")
	if !ok || req.Method != http.MethodGet || !strings.HasSuffix(path, "/json") {
		return http.StatusNotFound, object{"message": "page not found"}
	}
	ref, err := parseImageRef(name)
	if err != nil {
		return http.StatusBadRequest, object{"message": err.Error()}
	}
	m, err := d.askAs(ref, loginIn(req.Header.Get("X-Registry-Auth")))
	if why, ok := errors.AsType[manifestError](err); ok {
		return why.status(ref)
	}
	if err != nil {
		return http.StatusInternalServerError, object{"message": err.Error()}
	}
	answer = object{"Descriptor": object{"mediaType": m.media, "digest": m.digest.String(), "size": len(m.raw)}, "Platforms": nil}
	if m.media.IsImage() {
		answer["Platforms"] = []v1.Platform{{OS: "linux", Architecture: d.p.Host().spec.Arch}}
	}
	if index, err := v1.ParseIndexManifest(strings.NewReader(string(m.raw))); err == nil && m.media.IsIndex() {
		var list []v1.Platform
		for _, desc := range index.Manifests {
			if desc.Platform != nil {
				list = append(list, *desc.Platform)
			}
		}
		answer["Platforms"] = list
	}
	return http.StatusOK, answer
}

// loginIn is the account in a request's header.
func loginIn(header string) registryLogin {
	var said struct{ Username, Password string }
	plain, err := base64.URLEncoding.DecodeString(header)
	if err != nil || json.Unmarshal(plain, &said) != nil {
		return registryLogin{}
	}
	return registryLogin{said.Username, said.Password}
}

// status is the reason as the engine's API gives it.
func (e manifestError) status(ref imageRef) (int, object) {
	switch e.why {
	case pullNoTag:
		return http.StatusNotFound, object{"message": "manifest unknown: manifest unknown"}
	case pullNoRepository:
		return http.StatusUnauthorized, object{"message": "errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n"}
	case loginRefused:
		return http.StatusUnauthorized, object{"message": "unauthorized: authentication required"}
	}
	return http.StatusInternalServerError, object{"message": phrase(dockerWords[e.why], append(ref.words(), e.host, e.at))}
}
