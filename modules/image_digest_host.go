package modules

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"cvsplay/engine"
)

// What a host says of a registry, asked through its own runtime.
type hostAnswer struct {
	cannot string // why it cannot ask
	info   engine.ManifestInfo
	single []string             // the platform of an image that is no index, where it is known
	index  *engine.ManifestText // where the host gave the whole manifest
}

// hostQuestion asks the host's runtime for what a reference names in its registry.
func (a imageDigestArgs) hostQuestion(ref reference) engine.Shell {
	server, key := engine.RegistryLogin(ref.Domain)
	limit, _ := a.limit()
	return engine.Shell{
		Text: engine.RuntimePrelude(engine.AutoRuntime) + engine.RuntimeDescribe(engine.AutoRuntime) + "ctr_find || :\nctr_describe \"$@\"\n",
		Args: []string{ref.Tagged(), wholeSeconds(limit), server, key, fmt.Sprint(a.Insecure)},
		Keep: largestManifest, Limit: limit + hostGrace,
	}
}

// hostImagesQuestion asks for the images of an index, or for the configuration of an image.
func (a imageDigestArgs) hostImagesQuestion(ref reference, digest string) engine.Shell {
	ref.Digest = digest
	limit, _ := a.limit()
	return engine.Shell{
		Text: engine.RuntimePrelude(engine.AutoRuntime) + engine.RuntimeDescribe(engine.AutoRuntime) + "ctr_find || :\nctr_describe_images \"$@\"\n",
		Args: []string{ref.Pinned(), wholeSeconds(limit), fmt.Sprint(a.Insecure)},
		Keep: largestManifest, Limit: limit + hostGrace,
	}
}

const (
	largestManifest = 4 << 20
	hostGrace       = 20 * time.Second // in which the host ends by itself what took too long, and says so
)

func wholeSeconds(d time.Duration) string {
	return fmt.Sprint(int64((d + time.Second - 1) / time.Second))
}

// readHostAnswer reads the answer to a hostQuestion.
func readHostAnswer(a engine.Answer) hostAnswer {
	word, text, failed := hostWords(a)
	switch {
	case failed != "":
		return hostAnswer{info: problemFrom(0, failed)}
	case word == "cannot":
		return hostAnswer{cannot: strings.TrimSpace(text)}
	case word == "http":
		return readEngineAnswer(text)
	case word == "manifest":
		m, err := engine.ReadManifest([]byte(text), "")
		if err != nil {
			return hostAnswer{info: problemFrom(0, err.Error())}
		}
		return hostAnswer{info: engine.ManifestInfo{Digest: m.Digest, MediaType: m.MediaType, Size: int64(len(text))}, index: &m}
	}
	return hostAnswer{info: problemFrom(0, "the host's answer cannot be read: "+word)}
}

// hostWords takes an answer apart: what it is, what follows, or the words of a failure.
func hostWords(a engine.Answer) (word, text, failed string) {
	if a.Code != 0 {
		words := strings.TrimSpace(a.Stderr.String())
		if words == "" {
			words = fmt.Sprintf("exit code %d", a.Code)
		}
		return "", "", words
	}
	if a.Stdout.Size > int64(len(a.Stdout.Bytes)) {
		return "", "", fmt.Sprintf("the answer is longer than %d bytes", largestManifest)
	}
	word, text, _ = strings.Cut(a.Stdout.String(), "\n")
	if word == "failed" {
		return "", "", strings.TrimSpace(text)
	}
	return word, text, ""
}

// readEngineAnswer reads what Docker's API answers to /distribution.
func readEngineAnswer(text string) hostAnswer {
	head, body, ok := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	var status int
	if _, err := fmt.Sscanf(head, "HTTP/1.%d %d", new(int), &status); err != nil || !ok {
		return hostAnswer{info: problemFrom(0, "the engine's answer cannot be read: "+firstLineOf(text))}
	}
	var said struct {
		Message    string
		Descriptor struct {
			MediaType, Digest string
			Size              int64
		}
		Platforms []struct{ OS, Architecture, Variant string }
	}
	// What the way to the engine says after the answer does not belong to it: the decoder leaves it.
	err := json.NewDecoder(strings.NewReader(body)).Decode(&said)
	switch {
	case tooOld.MatchString(said.Message) || status == 501:
		return hostAnswer{cannot: "the engine of this host does not ask registries (docker's does, since API version 1.30): " + said.Message}
	case status != 200 && said.Message != "":
		return hostAnswer{info: problemFrom(status, said.Message)}
	case status != 200:
		return hostAnswer{info: problemFrom(status, firstLineOf(head))}
	case err != nil || !digestRule.MatchString(said.Descriptor.Digest):
		return hostAnswer{info: problemFrom(0, "the engine's answer cannot be read: "+firstLineOf(body))}
	}
	out := hostAnswer{info: engine.ManifestInfo{Digest: said.Descriptor.Digest, MediaType: said.Descriptor.MediaType, Size: said.Descriptor.Size}}
	if !engine.IsIndexType(out.info.MediaType) {
		for _, p := range said.Platforms {
			out.single = append(out.single, engine.PlatformName(p.OS, p.Architecture, p.Variant))
		}
	}
	return out
}

var tooOld = regexp.MustCompile(`(?i)page not found|not implemented|unsupported`)

func firstLineOf(s string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(first)
}

// problemFrom tells the problems with a registry apart by the status of who asked it, else by its words.
func problemFrom(status int, words string) engine.ManifestInfo {
	problem := engine.RegistryDown
	switch {
	case status == 401 || status == 403 || deniedWords.MatchString(words):
		problem = engine.RegistryDenied
	case status == 404 || unknownWords.MatchString(words):
		problem = engine.RegistryNotFound
	case lateWords.MatchString(words):
		problem = engine.RegistryTimeout
	}
	return engine.ManifestInfo{Problem: problem, Words: words}
}

var (
	deniedWords  = regexp.MustCompile(`(?i)\bunauthorized\b|\bdenied\b|authentication required|no basic auth credentials|forbidden|invalid username/password`)
	unknownWords = regexp.MustCompile(`(?i)manifest unknown|name unknown|no such manifest|repository name not known|status(:| code) 404`)
	lateWords    = regexp.MustCompile(`(?i)timed out|timeout|deadline exceeded`)
)

// withPlatform adds the image for the platform asked for. Where only another question can tell it, asks is true; images is that one's answer.
func (h hostAnswer) withPlatform(platform string, images *engine.Answer) (info engine.ManifestInfo, asks bool) {
	info = h.info
	if platform == "" || info.Problem != "" || engine.IsSchema1Type(info.MediaType) {
		return info, false
	}
	isIndex := engine.IsIndexType(info.MediaType)
	var err error
	switch {
	case isIndex && h.index != nil:
		info.Platform, err = h.index.Image(platform)
	case !isIndex && len(h.single) > 0:
		info.Platform, err = onlyImage(info.Digest, platform, h.single)
	case images == nil:
		return info, true
	default:
		info.Platform, err = imageFrom(*images, info.Digest, platform, isIndex)
	}
	if err != nil {
		info = engine.ManifestInfo{Problem: engine.RegistryPlatform, Words: err.Error()}
	}
	return info, false
}

// imageFrom reads the answer to a hostImagesQuestion.
func imageFrom(a engine.Answer, digest, platform string, isIndex bool) (string, error) {
	word, text, failed := hostWords(a)
	switch {
	case failed != "":
		return "", fmt.Errorf("the host cannot tell the images of %s: %s", digest, failed)
	case word != "images":
		return "", fmt.Errorf("the host's answer cannot be read: %s", word)
	case isIndex:
		m, err := engine.ReadManifest([]byte(text), "")
		if err != nil {
			return "", err
		}
		return m.Image(platform)
	}
	have, err := engine.PlatformOfConfig([]byte(text))
	if err != nil {
		return "", err
	}
	return onlyImage(digest, platform, []string{have})
}

func onlyImage(digest, platform string, have []string) (string, error) {
	if engine.ChoosePlatform(have, platform) < 0 {
		return "", fmt.Errorf("no image for %s, only %s", platform, strings.Join(have, ", "))
	}
	return digest, nil
}
