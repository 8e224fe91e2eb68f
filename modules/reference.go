package modules

import (
	"fmt"
	"regexp"
	"strings"

	"cvsplay/engine"
)

// A reference names an image by the rules of the distribution project: [DOMAIN/]PATH[:TAG][@DIGEST]. Its parts are normalised: "rvs" is
// docker.io/library/rvs:latest.
type reference struct {
	Domain string // docker.io, host[:port]
	Path   string // library/rvs
	Tag    string // "" only where there is a digest and no tag was given
	Digest string // sha256:…; "" where it names a tag
}

const (
	dockerDomain    = "docker.io"
	dockerNamespace = "library/"
	longestName     = 255
)

var (
	domainRule = regexp.MustCompile(`^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$`)
	pathRule   = regexp.MustCompile(`^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$`)
	tagRule    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	digestRule = regexp.MustCompile(`^sha256:[a-f0-9]{64}$|^sha512:[a-f0-9]{128}$`)
	bareHash   = regexp.MustCompile(`^[a-f0-9]{64}$`)
)

func parseReference(s string) (reference, error) {
	var r reference
	rest, digest, pinned := strings.Cut(s, "@")
	if pinned {
		if !digestRule.MatchString(digest) {
			return r, fmt.Errorf("%q is no image reference: %q is no digest (sha256: and 64 hex digits)", s, digest)
		}
		r.Digest = digest
	}
	if bareHash.MatchString(rest) {
		return r, fmt.Errorf("%q is an image id, not a reference that a registry knows", s)
	}
	if slash, colon := strings.LastIndexByte(rest, '/'), strings.LastIndexByte(rest, ':'); colon > slash {
		rest, r.Tag = rest[:colon], rest[colon+1:]
		if !tagRule.MatchString(r.Tag) {
			return r, fmt.Errorf("%q is no image reference: %q is no tag", s, r.Tag)
		}
	}
	r.Domain, r.Path = splitDomain(rest)
	switch {
	case rest == "":
		return r, fmt.Errorf("%q is no image reference: it has no name", s)
	case !domainRule.MatchString(r.Domain):
		return r, fmt.Errorf("%q is no image reference: %q is no registry", s, r.Domain)
	case !pathRule.MatchString(r.Path):
		return r, fmt.Errorf("%q is no image reference: %q is no repository name (lower case letters, digits, and single separators . _ - / between them)", s, r.Path)
	case len(r.Name()) > longestName:
		return r, fmt.Errorf("%q is no image reference: its name is longer than %d characters", s, longestName)
	}
	if r.Tag == "" && r.Digest == "" {
		r.Tag = "latest"
	}
	return r, nil
}

// splitDomain takes the first element for a registry where it looks like one: a dot, a port, an upper case letter, or localhost.
func splitDomain(name string) (domain, path string) {
	first, rest, found := strings.Cut(name, "/")
	if !found || (!strings.ContainsAny(first, ".:") && first != "localhost" && strings.ToLower(first) == first) {
		domain, path = dockerDomain, name
	} else {
		domain, path = first, rest
	}
	if domain == "index."+dockerDomain {
		domain = dockerDomain
	}
	if domain == dockerDomain && !strings.Contains(path, "/") {
		path = dockerNamespace + path
	}
	return domain, path
}

// Name is the repository with its registry.
func (r reference) Name() string { return r.Domain + "/" + r.Path }

// Tagged is NAME:TAG; "" where there is no tag.
func (r reference) Tagged() string {
	if r.Tag == "" {
		return ""
	}
	return r.Name() + ":" + r.Tag
}

// pulledKey is under what the controller remembers that it has pulled what a tag names.
func pulledKey(r reference) string { return "pulled " + r.Tagged() }

// rememberPull is what image_digest's pull = "once" has to know of a pull that a step made, with the results that the step leaves.
func rememberPull(r reference, results engine.Values) map[string]string {
	if r.Tag == "" {
		return nil
	}
	digest, _ := results["digest"].(string)
	return map[string]string{pulledKey(r): digest}
}

// unqualified is NAME:TAG as "docker save" writes it of an image of Docker Hub, which it leaves out; "" for those of other registries.
func (r reference) unqualified() string {
	if r.Domain != dockerDomain || r.Tag == "" {
		return ""
	}
	return strings.TrimPrefix(r.Path, dockerNamespace) + ":" + r.Tag
}

// Pinned is NAME@DIGEST; "" where there is no digest.
func (r reference) Pinned() string {
	if r.Digest == "" {
		return ""
	}
	return r.Name() + "@" + r.Digest
}

// String is the whole of it: NAME:TAG@DIGEST.
func (r reference) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// short is String with as much of the digest as people compare.
func (r reference) short() string {
	const shown = len("sha256:") + 12
	s := r.String()
	if len(r.Digest) > shown {
		s = s[:len(s)-len(r.Digest)+shown]
	}
	return s
}

// sameRepository tells whether a name of an image (NAME:TAG or NAME@DIGEST, as a runtime lists it) is of this repository, and gives it parsed.
func (r reference) sameRepository(listed string) (reference, bool) {
	other, err := parseReference(listed)
	return other, err == nil && other.Name() == r.Name()
}
