package modules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

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
		{"3a schema 1, unsigned", base, []string{""}, engine.ManifestInfo{Digest: digestA, MediaType: "application/vnd.docker.distribution.manifest.v1+json"},
			[]string{"done none rocm/cvs:6 media application/vnd.docker.distribution.manifest.v1+json reason a manifest of schema 1 has no digest to pull by"}},
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
		{"expect one of several", with(func(a *imageDigestArgs) { a.Expect, a.Pull = digestB, pullNever }), []string{"11 rocm/cvs:6 rocm/cvs@A rocm/cvs@B"}, answers,
			[]string{"done local docker.io/rocm/cvs:6@B digest @B"}},
		{"expect a pinned one", with(func(a *imageDigestArgs) { a.Expect, a.Image = digestB, "rvs@"+digestA }), []string{""}, answers, []string{"failed: rvs@A is @A, expected @B"}},
		{"expect one, and the tag is kept", with(func(a *imageDigestArgs) { a.Expect, a.OnError = digestA, "tag" }), []string{""}, problem(engine.RegistryDown),
			[]string{"failed: rocm/cvs:6 is no digest (the registry docker.io is not reachable, asked for rocm/cvs:6: WORDS), expected @A [warn: the registry docker.io is not reachable, " +
				"asked for rocm/cvs:6: WORDS; going on with the tag, which may be another image on each host]"}},
		{"timeout raised", with(func(a *imageDigestArgs) { a.Timeout = 5 * time.Second }), []string{""}, answers,
			[]string{"done registry docker.io/rocm/cvs:6@C digest @C media application/vnd.oci.image.index.v1+json [warn: timeout = 5s is too short to ask a registry: raised to 30s]"}},
		{"consistency: digests differ", never, []string{"11 rocm/cvs:6 rocm/cvs@A", "22 rocm/cvs:6 rocm/cvs@B", "11 rocm/cvs:6 rocm/cvs@A"}, answers,
			[]string{"refused: docker.io/rocm/cvs:6 is not the same image on all hosts:\n  n2: @B\n  n[1,3]: @A\n  pull it from the registry for all (pull = \"always\"), or bring the odd ones up to date", "=", "="}},
		{"consistency: one digest of several is common", never, []string{"11 rocm/cvs:6 rocm/cvs@A rocm/cvs@B", "11 rocm/cvs:6 rocm/cvs@B"}, answers,
			[]string{"done local docker.io/rocm/cvs:6@B digest @B", "="}},
		{"consistency: ids differ", never, []string{"11 rocm/cvs:6", "22 rocm/cvs:6"}, answers,
			[]string{"refused: docker.io/rocm/cvs:6 is not the same image on all hosts:\n  n1: image id 11 (amd64), without a digest\n  n2: image id 22 (amd64), without a digest\n" +
				"  pull it from the registry for all (pull = \"always\"), or bring the odd ones up to date", "="}},
		{"consistency: ids of two architectures", never, []string{"11 rocm/cvs:6", "22/arm64 rocm/cvs:6"}, answers,
			[]string{"done none rocm/cvs:6 reason not from a registry", "="}},
		{"consistency: one index, two architectures", never, []string{"11 rocm/cvs:6 rocm/cvs@A", "22/arm64 rocm/cvs:6 rocm/cvs@A"}, answers,
			[]string{"done local docker.io/rocm/cvs:6@A digest @A", "="}},
		{"consistency: the smallest group first", never, []string{"11 rocm/cvs:6 rocm/cvs@A", "22 rocm/cvs:6 rocm/cvs@B", "33 rocm/cvs:6 rocm/cvs@C", "22 rocm/cvs:6 rocm/cvs@B", "11 rocm/cvs:6 rocm/cvs@A", "11 rocm/cvs:6 rocm/cvs@A"}, answers,
			[]string{"refused: docker.io/rocm/cvs:6 is not the same image on all hosts:\n  n3: @C\n  n[2,4]: @B\n  n[1,5-6]: @A\n" +
				"  pull it from the registry for all (pull = \"always\"), or bring the odd ones up to date", "=", "=", "=", "=", "="}},
		{"consistency: pulled here, another one loaded there", never, []string{"11 rocm/cvs:6 rocm/cvs@A", "22 rocm/cvs:6"}, answers,
			[]string{"refused: docker.io/rocm/cvs:6 is not the same image on all hosts:\n  n2: image id 22 (amd64), without a digest\n  n1: @A\n" +
				"  pull it from the registry for all (pull = \"always\"), or bring the odd ones up to date", "="}},
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

func runImageDigest(args imageDigestArgs, hosts []string, registry engine.ManifestInfo) []string {
	f := digestCase{args: args, hosts: hosts, registry: registry}
	return f.run()
}

// A digestCase is a fleet on which an image_digest step is decided.
type digestCase struct {
	args     imageDigestArgs
	hosts    []string            // the local image of each, or "unreachable"
	registry engine.ManifestInfo // what it tells the controller
	once     bool                // run_once
	pulled   bool                // this controller has pulled the image
	says     []string            // what each host hears of the registry: see hostSays
	images   string              // … and of an index or an image
	asked    []string            // who was asked what, in order
}

// run does what the engine does: it asks, decides, asks more.
func (f *digestCase) run() []string {
	all := make([]engine.On[imageDigestArgs], len(f.hosts))
	for i, local := range f.hosts {
		all[i] = engine.On[imageDigestArgs]{Args: f.args, Seen: engine.Seen{Host: fmt.Sprintf("n%d", i+1), Reach: engine.Reached, Once: f.once}}
		if local == "unreachable" {
			all[i].Reach, all[i].Why = engine.Unreached, "no route"
			continue
		}
		for _, q := range f.args.Ask() {
			all[i].Answers = append(all[i].Answers, f.answer(q, i))
		}
	}
	decisions := decideImageDigest(all)
	for range 4 {
		more := false
		for i, d := range decisions {
			if d, ok := d.(engine.More); ok {
				more = true
				for _, q := range d.Ask {
					all[i].Answers = append(all[i].Answers, f.answer(q, i))
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

func (f *digestCase) answer(q engine.Question, host int) engine.Answer {
	note := func(what string) { f.asked = append(f.asked, fmt.Sprintf("n%d %s", host+1, what)) }
	switch q := q.(type) {
	case engine.Manifest:
		note("registry")
		return registrySays(f.registry)
	case engine.Recall:
		note(q.Key)
		if f.pulled {
			return engine.Answer{State: engine.Given}
		}
		return engine.Answer{State: engine.Given, Code: 1}
	case engine.Shell:
		switch {
		case strings.HasSuffix(q.Text, "ctr_describe_images \"$@\"\n"):
			note("images of " + q.Args[0])
			return hostSays(f.images)
		case strings.HasSuffix(q.Text, "ctr_describe \"$@\"\n"):
			note("host's registry")
			return hostSays(f.says[host])
		}
		note("local")
		return localImage(f.hosts[host])
	}
	return engine.Answer{}
}

// hostSays is a host's answer about a registry: "index DIGEST", "image DIGEST PLATFORM", "status CODE WORDS", "exit CODE WORDS", or the answer itself.
func hostSays(spec string) engine.Answer {
	word, rest, _ := strings.Cut(spec, " ")
	digests := strings.NewReplacer("@A", digestA, "@B", digestB, "@C", digestC)
	http := func(status int, body string) engine.Answer {
		return printed(fmt.Sprintf("http\nHTTP/1.0 %d Whatever\r\nApi-Version: 1.41\r\n\r\n%s\nerror while Copy (stream to stdout)\n", status, body))
	}
	switch word {
	case "index":
		return http(200, fmt.Sprintf(`{"Descriptor":{"mediaType":"application/vnd.oci.image.index.v1+json","digest":%q,"size":7},"Platforms":null}`, digests.Replace(rest)))
	case "image":
		digest, platform, _ := strings.Cut(rest, " ")
		system, arch, _ := strings.Cut(platform, "/")
		return http(200, fmt.Sprintf(`{"Descriptor":{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":%q,"size":7},"Platforms":[{"os":%q,"architecture":%q}]}`,
			digests.Replace(digest), system, arch))
	case "status":
		var code int
		_, _ = fmt.Sscan(rest, &code)
		_, words, _ := strings.Cut(rest, " ")
		return http(code, fmt.Sprintf(`{"message":%q}`, words))
	case "exit":
		a := printed("manifest\n")
		_, _ = fmt.Sscan(rest, &a.Code)
		_, words, _ := strings.Cut(rest, " ")
		a.Stderr = engine.Output{Bytes: []byte(words), Size: int64(len(words))}
		return a
	}
	return printed(digests.Replace(spec))
}

func printed(text string) engine.Answer {
	return engine.Answer{State: engine.Given, Stdout: engine.Output{Bytes: []byte(text), Size: int64(len(text))}}
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

// Row by row, what is asked of whom, where the controller's record or the host's own way to the registry counts.
func TestImageDigestAsks(t *testing.T) {
	index := engine.ManifestInfo{Digest: digestC, MediaType: "application/vnd.oci.image.index.v1+json"}
	base := imageDigestArgs{Image: "rocm/cvs:6", Pull: pullAlways, OnError: "fail", From: fromController, Timeout: time.Minute}
	with := func(edit func(*imageDigestArgs)) imageDigestArgs { a := base; edit(&a); return a }
	once := with(func(a *imageDigestArgs) { a.Pull = pullOnce })
	host := with(func(a *imageDigestArgs) { a.From = fromHost })
	hostFor := func(platform string) imageDigestArgs {
		return with(func(a *imageDigestArgs) { a.From, a.Platform = fromHost, platform })
	}
	const fromRegistry = "done registry docker.io/rocm/cvs:6@C digest @C media application/vnd.oci.image.index.v1+json"
	const indexText = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"@A","platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]}`
	const pulledHere = "pulled docker.io/rocm/cvs:6"
	indexDigest := engine.ManifestText{}
	if m, err := engine.ReadManifest([]byte(strings.ReplaceAll(indexText, "@A", digestA)), ""); err == nil {
		indexDigest = m
	}
	tests := []struct {
		row  string
		f    digestCase
		want string // of the first host; of all where they differ, one a line
		asks string
	}{
		{"once, pulled: row 2", digestCase{args: once, hosts: []string{"11 rocm/cvs:6 rocm/cvs@A"}, pulled: true}, "done local docker.io/rocm/cvs:6@A digest @A", "n1 " + pulledHere + ", n1 local"},
		{"once, pulled: row 2a", digestCase{args: once, hosts: []string{"11 rocm/cvs:6"}, pulled: true}, "done none rocm/cvs:6 reason not from a registry", ""},
		{"once, pulled: row 2b, none matches", digestCase{args: once, hosts: []string{"11 rocm/cvs:6 mirror/cvs@A"}, pulled: true},
			"failed: no repo digest matches docker.io/rocm/cvs: the image was pulled as mirror/cvs@A", ""},
		{"once, pulled: row 2b, not there", digestCase{args: once, hosts: []string{""}, registry: index, pulled: true},
			`failed: docker.io/rocm/cvs:6 is not on the host, and pull = "once" asks no registry once this controller has pulled it somewhere: pull = "missing" does`,
			"n1 " + pulledHere + ", n1 local"},
		{"once, pulled: row 2b, on_error", digestCase{args: with(func(a *imageDigestArgs) { a.Pull, a.OnError = pullOnce, "tag" }), hosts: []string{"down"}, pulled: true},
			"done none rocm/cvs:6 reason the container runtime does not answer: Cannot connect to the Docker daemon [warn: the container runtime does not answer: " +
				"Cannot connect to the Docker daemon; going on with the tag, which may be another image on each host]", ""},
		{"once, not pulled: row 3", digestCase{args: once, hosts: []string{"11 rocm/cvs:6 rocm/cvs@A", "unreachable"}, registry: index},
			fromRegistry + "\nfailed: no route", "n1 " + pulledHere + ", n1 registry"},
		{"once, not pulled: row 4", digestCase{args: once, hosts: []string{"11 rocm/cvs:6 rocm/cvs@A"}, registry: engine.ManifestInfo{Problem: engine.RegistryDown, Words: "WORDS"}},
			"failed: the registry docker.io is not reachable, asked for rocm/cvs:6: WORDS", ""},
		{"once, pulled, the fleet differs", digestCase{args: once, hosts: []string{"11 rocm/cvs:6 rocm/cvs@A", "11 rocm/cvs:6 rocm/cvs@A", "22 rocm/cvs:6 rocm/cvs@B"}, pulled: true},
			"refused: docker.io/rocm/cvs:6 is not the same image on all hosts:\n  n3: @B\n  n[1-2]: @A\n  pull it from the registry for all (pull = \"always\"), or bring the odd ones up to date", ""},
		{"once, from the hosts, not pulled", digestCase{args: with(func(a *imageDigestArgs) { a.Pull, a.From = pullOnce, fromHost }), hosts: []string{""}, says: []string{"index @C"}},
			fromRegistry, "n1 " + pulledHere + ", n1 host's registry"},
		{"once, run_once, pulled: all are asked", digestCase{args: once, once: true, hosts: []string{"11 rocm/cvs:6 rocm/cvs@A", "11 rocm/cvs:6 rocm/cvs@A"}, pulled: true},
			"done local docker.io/rocm/cvs:6@A digest @A", "n1 " + pulledHere + ", n2 " + pulledHere + ", n1 local, n2 local"},
		{"run_once: an error with a local image is everybody's", digestCase{args: with(func(a *imageDigestArgs) { a.Pull = pullNever }), once: true,
			hosts: []string{"11 rocm/cvs:6 rocm/cvs@A", "", ""}},
			`failed: n[2-3]: docker.io/rocm/cvs:6 is not on the host, and pull = "never" asks no registry`, "n1 local, n2 local, n3 local"},

		{"from host: 1 pinned", digestCase{args: with(func(a *imageDigestArgs) { a.From, a.Image = fromHost, "rvs@"+digestA }), hosts: []string{""}}, "done pinned rvs@A digest @A", "none"},
		{"from host: 2 local", digestCase{args: with(func(a *imageDigestArgs) { a.From, a.Pull = fromHost, pullMissing }), hosts: []string{"11 rocm/cvs:6 rocm/cvs@A"}},
			"done local docker.io/rocm/cvs:6@A digest @A", "n1 local"},
		{"from host: 3 an index", digestCase{args: host, hosts: []string{"", ""}, says: []string{"index @C", "index @C"}}, fromRegistry, "n1 host's registry, n2 host's registry"},
		{"from host: 3 missing where one lacks it", digestCase{args: with(func(a *imageDigestArgs) { a.From, a.Pull = fromHost, pullMissing }),
			hosts: []string{"11 rocm/cvs:6 rocm/cvs@A", ""}, says: []string{"index @C", "index @C"}}, fromRegistry, "n1 local, n2 local, n1 host's registry, n2 host's registry"},
		{"from host: 3 under run_once one asks", digestCase{args: host, once: true, hosts: []string{"unreachable", "", ""}, says: []string{"", "index @C", "status 500 never asked"}},
			"failed: no route\n" + fromRegistry + "\n" + fromRegistry, "n2 host's registry"},
		{"from host: 3 hosts hear different things", digestCase{args: host, hosts: []string{"", "", ""}, says: []string{"index @C", "index @B", "index @C"}},
			"refused: docker.io/rocm/cvs:6 is not the same image on all hosts:\n  n2: @B, by the registry\n  n[1,3]: @C, by the registry\n" +
				"  the tag moved while they asked, or a mirror is behind: run again; run_once = true takes the answer of one host for all", ""},
		{"from host: 3a schema 1", digestCase{args: host, hosts: []string{""}, says: []string{`manifest
{"schemaVersion":1,"signatures":[]}`}},
			"done none rocm/cvs:6 media application/vnd.docker.distribution.manifest.v1+prettyjws reason a manifest of schema 1 has no digest to pull by", ""},
		{"from host: 4 denied", digestCase{args: host, hosts: []string{""}, says: []string{"status 401 unauthorized: who are you"}},
			"failed: asked by this host, the registry docker.io refuses access to rocm/cvs:6: unauthorized: who are you", ""},
		{"from host: 4 denied, without a login", digestCase{args: host, hosts: []string{""}, says: []string{`status 500 Head "https://x/v2/": no basic auth credentials`}},
			`failed: asked by this host, the registry docker.io refuses access to rocm/cvs:6: Head "https://x/v2/": no basic auth credentials`, ""},
		{"from host: 4 unknown", digestCase{args: host, hosts: []string{""}, says: []string{"status 404 manifest unknown: manifest unknown"}},
			"failed: asked by this host, the registry docker.io does not know rocm/cvs:6: manifest unknown: manifest unknown", ""},
		{"from host: 4 down", digestCase{args: host, hosts: []string{""}, says: []string{"status 500 dial tcp 10.0.0.1:5000: connect: connection refused"}},
			"failed: asked by this host, the registry docker.io is not reachable, asked for rocm/cvs:6: dial tcp 10.0.0.1:5000: connect: connection refused", ""},
		{"from host: 4 busy", digestCase{args: host, hosts: []string{""}, says: []string{"status 429 toomanyrequests: slow down"}},
			"failed: asked by this host, the registry docker.io is not reachable, asked for rocm/cvs:6: toomanyrequests: slow down", ""},
		{"from host: 4 too slow", digestCase{args: host, hosts: []string{""}, says: []string{"failed\ntimed out\n"}},
			"failed: asked by this host, the registry docker.io did not answer in time, asked for rocm/cvs:6: timed out", ""},
		{"from host: 4 on_error", digestCase{args: with(func(a *imageDigestArgs) { a.From, a.OnError = fromHost, "tag" }), hosts: []string{""}, says: []string{"failed\ntimed out\n"}},
			"done none rocm/cvs:6 reason asked by this host, the registry docker.io did not answer in time, asked for rocm/cvs:6: timed out [warn: asked by this host, " +
				"the registry docker.io did not answer in time, asked for rocm/cvs:6: timed out; going on with the tag, which may be another image on each host]", ""},
		{"from host: no runtime", digestCase{args: host, hosts: []string{""}, says: []string{"exit 125 no container runtime: docker podman not installed"}},
			"failed: asked by this host, the registry docker.io is not reachable, asked for rocm/cvs:6: no container runtime: docker podman not installed", ""},
		{"from host: it cannot", digestCase{args: host, hosts: []string{""}, says: []string{"cannot\npodman cannot ask a registry without pulling\n"}},
			"done none rocm/cvs:6 reason podman cannot ask a registry without pulling", ""},
		{"from host: its engine is too old", digestCase{args: host, hosts: []string{""}, says: []string{"status 404 page not found"}},
			"done none rocm/cvs:6 reason the engine of this host does not ask registries (docker's does, since API version 1.30): page not found", ""},
		{"from host: noise", digestCase{args: host, hosts: []string{""}, says: []string{"http\nHTTP/1.0 200 OK\n\n<html>"}},
			"failed: asked by this host, the registry docker.io is not reachable, asked for rocm/cvs:6: the engine's answer cannot be read: <html>", ""},
		{"from host: no digest", digestCase{args: host, hosts: []string{""}, says: []string{"index latest"}},
			"failed: asked by this host, the registry docker.io is not reachable, asked for rocm/cvs:6: the engine's answer cannot be read: " +
				`{"Descriptor":{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"latest","size":7},"Platforms":null}`, ""},
		{"from host: expect another", digestCase{args: with(func(a *imageDigestArgs) { a.From, a.Expect = fromHost, digestA }), hosts: []string{""}, says: []string{"index @C"}},
			"failed: rocm/cvs:6 is @C, expected @A", ""},

		{"platform, from host: of an index", digestCase{args: hostFor("linux/arm64"), hosts: []string{""}, says: []string{"index @C"}, images: "images\n" + indexText},
			"done registry docker.io/rocm/cvs:6@C digest @C platform_digest @A media application/vnd.oci.image.index.v1+json", "n1 host's registry, n1 images of docker.io/rocm/cvs@C"},
		{"platform, from host: not in the index", digestCase{args: hostFor("linux/amd64"), hosts: []string{""}, says: []string{"index @C"}, images: "images\n" + indexText},
			"failed: asked by this host, the registry docker.io lacks the platform of rocm/cvs:6: no image for linux/amd64, only linux/arm64/v8", ""},
		{"platform, from host: of one image", digestCase{args: hostFor("linux/amd64"), hosts: []string{""}, says: []string{"image @A linux/amd64"}},
			"done registry docker.io/rocm/cvs:6@A digest @A platform_digest @A media application/vnd.docker.distribution.manifest.v2+json", "n1 host's registry"},
		{"platform, from host: the one image is for another", digestCase{args: hostFor("linux/arm64"), hosts: []string{""}, says: []string{"image @A linux/amd64"}},
			"failed: asked by this host, the registry docker.io lacks the platform of rocm/cvs:6: no image for linux/arm64, only linux/amd64", ""},
		{"platform, from host: the index came whole", digestCase{args: hostFor("linux/arm64/v8"), hosts: []string{""}, says: []string{"manifest\n" + indexText}},
			"done registry docker.io/rocm/cvs:6@" + indexDigest.Digest + " digest " + indexDigest.Digest + " platform_digest @A media application/vnd.oci.image.index.v1+json", "n1 host's registry"},
		{"platform, from host: a configuration tells", digestCase{args: hostFor("linux/amd64"), hosts: []string{""}, says: []string{"manifest\n" + `{"schemaVersion":2,"config":{}}`},
			images: "images\n" + `{"os":"linux","architecture":"amd64"}`}, "", ""},
		{"platform, from host: nobody tells", digestCase{args: hostFor("linux/amd64"), hosts: []string{""}, says: []string{"index @C"}, images: "failed\nno such manifest"},
			"failed: asked by this host, the registry docker.io lacks the platform of rocm/cvs:6: the host cannot tell the images of @C: no such manifest", ""},
	}
	for _, tt := range tests {
		t.Run(tt.row, func(t *testing.T) {
			got := tt.f.run()
			want := strings.Split(tt.want, "\n")
			if strings.HasPrefix(tt.want, "refused") || len(want) != len(got) {
				want = []string{tt.want}
			}
			for i := range got {
				if w := want[min(i, len(want)-1)]; got[i] != w && tt.want != "" {
					t.Errorf("n%d:\n got %s\nwant %s", i+1, got[i], w)
				}
				if tt.want == "" && !strings.HasPrefix(got[i], "done registry") {
					t.Errorf("n%d: %s", i+1, got[i])
				}
			}
			asked := spellDigests(strings.Join(tt.f.asked, ", "))
			if asked == "" {
				asked = "none"
			}
			if tt.asks != "" && asked != tt.asks {
				t.Errorf("asked: %s\nwant:  %s", asked, tt.asks)
			}
		})
	}
}

// What a person may not combine.
func TestImageDigestCheck(t *testing.T) {
	yes := cty.StringVal("x")
	for name, tt := range map[string]struct {
		in   engine.Inputs
		want string
	}{
		"from host alone":         {engine.Inputs{"from": cty.StringVal("host")}, ""},
		"pull once":               {engine.Inputs{"pull": cty.StringVal("once")}, ""},
		"from host, a username":   {engine.Inputs{"from": cty.StringVal("host"), "username": yes}, "username"},
		"from host, a password":   {engine.Inputs{"from": cty.StringVal("host"), "password": yes}, "password"},
		"from host, both":         {engine.Inputs{"from": cty.StringVal("host"), "username": yes, "password": yes}, "username password"},
		"from host, not known":    {engine.Inputs{"from": cty.StringVal("host"), "password": cty.UnknownVal(cty.String)}, "password"},
		"from controller, both":   {engine.Inputs{"username": yes, "password": yes}, ""},
		"a password alone":        {engine.Inputs{"password": yes}, ""},
		"a username and nothing":  {engine.Inputs{"username": yes}, "username"},
		"from host, null as such": {engine.Inputs{"from": cty.StringVal("host"), "password": cty.NullVal(cty.String)}, ""},
	} {
		var got []string
		for _, c := range checkImageDigest(tt.in) {
			got = append(got, c.Arg)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: complains about %q, want %q", name, got, tt.want)
		}
	}
}

func TestImageDigestTimeout(t *testing.T) {
	for text, want := range map[string]string{
		"1m": "", "30s": "", "5s": "", "1ns": "", "0s": "longer than nothing", "0": "longer than nothing", "-5s": "longer than nothing",
		"": "not a duration", "5": "not a duration", "a minute": "not a duration", "1m ": "not a duration",
	} {
		err := validPositiveDuration(cty.StringVal(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for d, want := range map[time.Duration]struct {
		limit  time.Duration
		raised bool
	}{0: {time.Minute, false}, time.Nanosecond: {30 * time.Second, true}, 29 * time.Second: {30 * time.Second, true}, 30 * time.Second: {30 * time.Second, false}, time.Hour: {time.Hour, false}} {
		a := imageDigestArgs{Image: "x", Timeout: d}
		if limit, raised := a.limit(); limit != want.limit || raised != want.raised {
			t.Errorf("%s: %s %v", d, limit, raised)
		}
		if q := a.manifest().(engine.Manifest); q.Limit != want.limit {
			t.Errorf("%s: the registry is asked for %s", d, q.Limit)
		}
	}
}

// Hosts of one step may have arguments of their own: digests are held against digests, also a registry's against those of local images, and never against
// the id of an image.
func TestImageDigestLikeWithLike(t *testing.T) {
	registry := registrySays(engine.ManifestInfo{Digest: digestC, MediaType: "application/vnd.oci.image.index.v1+json"})
	for name, tt := range map[string]struct{ image, local, want string }{
		"the same digest":         {"rocm/cvs:6", "11 rocm/cvs:6 rocm/cvs@C", "done local docker.io/rocm/cvs:6@C digest @C"},
		"another spelling":        {"docker.io/rocm/cvs:6", "11 rocm/cvs:6 rocm/cvs@C", "done local docker.io/rocm/cvs:6@C digest @C"},
		"an image without digest": {"rocm/cvs:6", "11 rocm/cvs:6", "done none rocm/cvs:6 reason not from a registry"},
		"another reference":       {"rocm/cvs:7", "11 rocm/cvs:7 rocm/cvs@A", "done local docker.io/rocm/cvs:7@A digest @A"},
		"another digest": {"rocm/cvs:6", "11 rocm/cvs:6 rocm/cvs@A", "refused: docker.io/rocm/cvs:6 is not the same image on all hosts:\n  n2: @A\n  n1: @C, by the registry\n" +
			"  the tag moved while they asked, or a mirror is behind: run again; run_once = true takes the answer of one host for all"},
	} {
		asks := imageDigestArgs{Image: "rocm/cvs:6", Pull: pullAlways, OnError: "fail", From: fromController, Timeout: time.Minute}
		looks := asks
		looks.Image, looks.Pull = tt.image, pullNever
		decisions := decideImageDigest([]engine.On[imageDigestArgs]{
			{Args: asks, Seen: engine.Seen{Host: "n1", Reach: engine.Reached, Answers: []engine.Answer{registry}}},
			{Args: looks, Seen: engine.Seen{Host: "n2", Reach: engine.Reached, Answers: []engine.Answer{localImage(tt.local)}}},
		})
		got := decisionText(decisions[1])
		if done, ok := decisions[1].(engine.Done); ok {
			got = "done " + imageResults(done.Results)
		}
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tt.want)
		}
	}
}
