package modules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cvsplay/engine"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	digestC = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
)

// spellDigests writes digestA, digestB and digestC as A, B and C.
func spellDigests(s string) string {
	return strings.NewReplacer("@"+digestA, "@A", "@"+digestB, "@B", "@"+digestC, "@C", digestA, "@A", digestB, "@B", digestC, "@C").Replace(s)
}

// decisionText writes a decision as one line.
func decisionText(d engine.Decision) string {
	switch d := d.(type) {
	case engine.More:
		return fmt.Sprintf("more %d", len(d.Ask))
	case engine.Act:
		var parts []string
		for _, c := range d.Changes {
			what := c.What
			if len(c.Do) == 0 {
				what = "(" + what + ")"
			}
			parts = append(parts, what)
		}
		return "act: " + strings.Join(parts, ", ")
	case engine.Done:
		return "done" + warnText(d.Warn)
	case engine.Stop:
		return string(d.State) + ": " + spellDigests(d.Why) + warnText(d.Warn)
	}
	return fmt.Sprintf("%T", d)
}

func warnText(warn []string) string {
	if len(warn) == 0 {
		return ""
	}
	return " [warn: " + spellDigests(strings.Join(warn, "; ")) + "]"
}

// localImage is a host's answer about one image: "" where it lacks it, "down" where the runtime does not answer, else
// ID[/ARCH] and the names under which it has it.
func localImage(spec string) engine.Answer {
	const head = "runtime docker\narch x86_64\n"
	out := head + "Error: No such image: x\nimages 1\n\nend\n"
	if spec == "down" {
		out = "down Cannot connect to the Docker daemon\nend\n"
	} else if spec != "" {
		f := strings.Fields(spec)
		id, arch, _ := strings.Cut(f[0], "/")
		if arch == "" {
			arch = "amd64"
		}
		var tags, digests []string
		for _, name := range f[1:] {
			name = strings.NewReplacer("@A", "@"+digestA, "@B", "@"+digestB, "@C", "@"+digestC).Replace(name)
			if strings.Contains(name, "@") {
				digests = append(digests, fmt.Sprintf("%q", name))
			} else {
				tags = append(tags, fmt.Sprintf("%q", name))
			}
		}
		out = head + fmt.Sprintf(`image {"Id":"sha256:%s","Architecture":"%s","RepoTags":[%s],"RepoDigests":[%s]}`, id, arch,
			strings.Join(tags, ","), strings.Join(digests, ",")) + "\nimages 0\n\nend\n"
	}
	return engine.Answer{State: engine.Given, Stdout: engine.Output{Bytes: []byte(out)}}
}

func registrySays(m engine.ManifestInfo) engine.Answer {
	return engine.Answer{State: engine.Given, Manifest: m}
}

// Each row is a fleet: one local image (or "unreachable") for each host, what the registry would say, and the decisions. A host's decision is "=" where
// it is the one before.
func TestImageDigestTable(t *testing.T) {
	answers := engine.ManifestInfo{Digest: digestC, MediaType: "application/vnd.oci.image.index.v1+json"}
	problem := func(p engine.RegistryProblem) engine.ManifestInfo {
		return engine.ManifestInfo{Problem: p, Words: "WORDS"}
	}
	base := imageDigestArgs{Image: "rocm/cvs:6", Pull: pullAlways, OnError: "fail", From: "controller", Timeout: time.Minute}
	with := func(edit func(*imageDigestArgs)) imageDigestArgs { a := base; edit(&a); return a }
	missing := with(func(a *imageDigestArgs) { a.Pull = pullMissing })
	never := with(func(a *imageDigestArgs) { a.Pull = pullNever })
	tests := []struct {
		row      string
		args     imageDigestArgs
		hosts    []string
		registry engine.ManifestInfo
		want     []string
	}{
		{"1 pinned", with(func(a *imageDigestArgs) { a.Image = "rvs@" + digestA }), []string{"", "unreachable"}, problem(engine.RegistryDown),
			[]string{"done pinned rvs@A digest @A", "failed: no route"}},
		{"1 pinned with a tag", with(func(a *imageDigestArgs) { a.Image = "rvs:1@" + digestA }), []string{""}, problem(engine.RegistryDown),
			[]string{"done pinned rvs:1@A digest @A"}},
		{"2 local", missing, []string{"11 rocm/cvs:6 rocm/cvs@A"}, problem(engine.RegistryDown),
			[]string{"done local docker.io/rocm/cvs:6@A digest @A"}},
		{"2 local, the name normalised", with(func(a *imageDigestArgs) { a.Pull, a.Image = pullNever, "rvs" }), []string{"11 rvs:latest other@B docker.io/library/rvs@A"}, problem(""),
			[]string{"done local docker.io/library/rvs:latest@A digest @A"}},
		{"2a loaded", never, []string{"11 rocm/cvs:6"}, problem(engine.RegistryDown), []string{"done none rocm/cvs:6 reason not from a registry"}},
		{"2b no repo digest matches", never, []string{"11 rocm/cvs:6 mirror/cvs@A"}, problem(""),
			[]string{"failed: no repo digest matches docker.io/rocm/cvs: the image was pulled as mirror/cvs@A"}},
		{"2b … on_error tag", with(func(a *imageDigestArgs) { a.Pull, a.OnError = pullNever, "tag" }), []string{"11 rocm/cvs:6 mirror/cvs@A"}, problem(""),
			[]string{"done none rocm/cvs:6 reason no repo digest matches docker.io/rocm/cvs: the image was pulled as mirror/cvs@A [warn: no repo digest matches docker.io/rocm/cvs: " +
				"the image was pulled as mirror/cvs@A; going on with the tag, which may be another image on each host]"}},
		{"2b inspect fails", never, []string{"down"}, problem(""), []string{"failed: the container runtime does not answer: Cannot connect to the Docker daemon"}},
		{"2b not there", never, []string{""}, answers, []string{`failed: docker.io/rocm/cvs:6 is not on the host, and pull = "never" asks no registry`}},
		{"3 registry", base, []string{""}, answers, []string{"done registry docker.io/rocm/cvs:6@C digest @C media application/vnd.oci.image.index.v1+json"}},
		{"3 missing where one lacks it", missing, []string{"11 rocm/cvs:6 rocm/cvs@A", ""}, answers,
			[]string{"done registry docker.io/rocm/cvs:6@C digest @C media application/vnd.oci.image.index.v1+json", "="}},
		{"3 missing, the unknown one does not count", missing, []string{"11 rocm/cvs:6 rocm/cvs@A", "unreachable"}, answers,
			[]string{"done local docker.io/rocm/cvs:6@A digest @A", "failed: no route"}},
		{"3 an unreachable host does not fail the others", base, []string{"unreachable", ""}, answers,
			[]string{"failed: no route", "done registry docker.io/rocm/cvs:6@C digest @C media application/vnd.oci.image.index.v1+json"}},
		{"3a schema 1", base, []string{""}, engine.ManifestInfo{Digest: digestA, MediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws"},
			[]string{"done none rocm/cvs:6 media application/vnd.docker.distribution.manifest.v1+prettyjws reason a manifest of schema 1 has no digest to pull by"}},
		{"4 denied", base, []string{""}, problem(engine.RegistryDenied), []string{"failed: the registry docker.io refuses access to rocm/cvs:6: WORDS"}},
		{"4 not found", base, []string{""}, problem(engine.RegistryNotFound), []string{"failed: the registry docker.io does not know rocm/cvs:6: WORDS"}},
		{"4 down", base, []string{""}, problem(engine.RegistryDown), []string{"failed: the registry docker.io is not reachable, asked for rocm/cvs:6: WORDS"}},
		{"4 slow", base, []string{""}, problem(engine.RegistryTimeout), []string{"failed: the registry docker.io did not answer in time, asked for rocm/cvs:6: WORDS"}},
		{"4 lies", base, []string{""}, problem(engine.RegistryMismatch), []string{"failed: the registry docker.io claims a wrong digest for rocm/cvs:6: WORDS"}},
		{"4 on_error tag", with(func(a *imageDigestArgs) { a.OnError = "tag" }), []string{""}, problem(engine.RegistryDown),
			[]string{"done none rocm/cvs:6 reason the registry docker.io is not reachable, asked for rocm/cvs:6: WORDS [warn: the registry docker.io is not reachable, " +
				"asked for rocm/cvs:6: WORDS; going on with the tag, which may be another image on each host]"}},
		{"expect", with(func(a *imageDigestArgs) { a.Expect = digestC }), []string{""}, answers,
			[]string{"done registry docker.io/rocm/cvs:6@C digest @C media application/vnd.oci.image.index.v1+json"}},
		{"expect another", with(func(a *imageDigestArgs) { a.Expect = digestA }), []string{""}, answers, []string{"failed: rocm/cvs:6 is @C, expected @A"}},
		{"expect one, and there is none", with(func(a *imageDigestArgs) { a.Expect, a.Pull = digestA, pullNever }), []string{"11 rocm/cvs:6"}, answers,
			[]string{"failed: rocm/cvs:6 is no digest (not from a registry), expected @A"}},
		{"timeout raised", with(func(a *imageDigestArgs) { a.Timeout = 5 * time.Second }), []string{""}, answers,
			[]string{"done registry docker.io/rocm/cvs:6@C digest @C media application/vnd.oci.image.index.v1+json [warn: timeout = 5s is too short to ask a registry: raised to 30s]"}},
		{"consistency: digests differ", never, []string{"11 rocm/cvs:6 rocm/cvs@A", "22 rocm/cvs:6 rocm/cvs@B", "11 rocm/cvs:6 rocm/cvs@A"}, answers,
			[]string{"refused: rocm/cvs:6 is not the same image on all hosts:\n  n2: @B\n  n[1,3]: @A\n  pull it from the registry for all (pull = \"always\"), or bring the odd ones up to date", "=", "="}},
		{"consistency: one digest of several is common", never, []string{"11 rocm/cvs:6 rocm/cvs@A rocm/cvs@B", "11 rocm/cvs:6 rocm/cvs@B"}, answers,
			[]string{"done local docker.io/rocm/cvs:6@B digest @B", "="}},
		{"consistency: ids differ", never, []string{"11 rocm/cvs:6", "22 rocm/cvs:6"}, answers,
			[]string{"refused: rocm/cvs:6 is not the same image on all hosts:\n  n1: image id 11 (amd64), without a digest\n  n2: image id 22 (amd64), without a digest\n" +
				"  pull it from the registry for all (pull = \"always\"), or bring the odd ones up to date", "="}},
		{"consistency: ids of two architectures", never, []string{"11 rocm/cvs:6", "22/arm64 rocm/cvs:6"}, answers,
			[]string{"done none rocm/cvs:6 reason not from a registry", "="}},
		{"consistency: pulled here, loaded there", never, []string{"11 rocm/cvs:6 rocm/cvs@A", "11 rocm/cvs:6"}, answers,
			[]string{"done local docker.io/rocm/cvs:6@A digest @A", "done none rocm/cvs:6 reason not from a registry"}},
	}
	for _, tt := range tests {
		t.Run(tt.row, func(t *testing.T) {
			got := runImageDigest(tt.args, tt.hosts, tt.registry)
			want := ""
			for i, row := range tt.want {
				if row != "=" {
					want = row
				}
				if got[i] != want {
					t.Errorf("n%d:\n got %s\nwant %s", i+1, got[i], want)
				}
			}
		})
	}
}

// runImageDigest does what the engine does: it asks, decides, asks more.
func runImageDigest(args imageDigestArgs, hosts []string, registry engine.ManifestInfo) []string {
	all := make([]engine.On[imageDigestArgs], len(hosts))
	answer := func(q engine.Question, local string) engine.Answer {
		if _, ok := q.(engine.Manifest); ok {
			return registrySays(registry)
		}
		return localImage(local)
	}
	for i, local := range hosts {
		all[i] = engine.On[imageDigestArgs]{Args: args, Seen: engine.Seen{Host: fmt.Sprintf("n%d", i+1), Reach: engine.Reached}}
		if local == "unreachable" {
			all[i].Reach, all[i].Why = engine.Unreached, "no route"
			continue
		}
		for _, q := range args.Ask() {
			all[i].Answers = append(all[i].Answers, answer(q, local))
		}
	}
	decisions := decideImageDigest(all)
	for range 3 {
		more := false
		for i, d := range decisions {
			if d, ok := d.(engine.More); ok {
				more = true
				for _, q := range d.Ask {
					all[i].Answers = append(all[i].Answers, answer(q, hosts[i]))
				}
			}
		}
		if !more {
			break
		}
		decisions = decideImageDigest(all)
	}
	out := make([]string, len(decisions))
	for i, d := range decisions {
		out[i] = decisionText(d)
		if done, ok := d.(engine.Done); ok {
			out[i] = "done " + imageResults(done.Results) + warnText(done.Warn)
		}
	}
	return out
}

func imageResults(v engine.Values) string {
	s := fmt.Sprintf("%v %v", v["source"], v["ref"])
	for _, name := range []string{"digest", "platform_digest", "media_type", "reason"} {
		if v[name] != nil {
			s += fmt.Sprintf(" %s %v", strings.TrimSuffix(name, "_type"), v[name])
		}
	}
	return spellDigests(s)
}

func TestImageDigestAsksNobody(t *testing.T) {
	for image, want := range map[string]string{"rvs": "engine.Manifest", "rvs@" + digestA: ""} {
		got := ""
		for _, q := range (imageDigestArgs{Image: image, Pull: pullAlways}).Ask() {
			got += fmt.Sprintf("%T", q)
		}
		if got != want {
			t.Errorf("%s: asks %q, want %q", image, got, want)
		}
	}
}
