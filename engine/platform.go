package engine

import (
	"encoding/json"
	"fmt"
	"strings"
)

// ChoosePlatform finds, among platforms (os/arch[/variant]), the one that is wanted: the same, with the variant that an architecture has where none
// is named; where none is wanted also any other variant. It gives -1 where there is none.
func ChoosePlatform(have []string, want string) int {
	exact := normalPlatform(want)
	for i, p := range have {
		if normalPlatform(p) == exact {
			return i
		}
	}
	if strings.Count(want, "/") != 1 {
		return -1
	}
	for i, p := range have {
		if withoutVariant(normalPlatform(p)) == withoutVariant(exact) {
			return i
		}
	}
	return -1
}

func withoutVariant(platform string) string {
	parts := strings.SplitN(platform, "/", 3)
	return strings.Join(parts[:min(len(parts), 2)], "/")
}

// normalPlatform writes a platform the way runtimes compare them: arm64 is arm64/v8, arm is arm/v7, amd64/v1 is amd64.
func normalPlatform(platform string) string {
	system, machine, _ := strings.Cut(platform, "/")
	arch, variant, _ := strings.Cut(machine, "/")
	switch arch {
	case "x86_64", "x86-64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	}
	if variant != "" && variant[0] >= '0' && variant[0] <= '9' {
		variant = "v" + variant
	}
	switch {
	case arch == "arm64" && variant == "":
		variant = "v8"
	case arch == "arm" && variant == "":
		variant = "v7"
	case arch == "amd64" && variant == "v1":
		variant = ""
	}
	return PlatformName(system, arch, variant)
}

// PlatformName writes a platform as os/arch[/variant].
func PlatformName(system, arch, variant string) string {
	if variant == "" {
		return system + "/" + arch
	}
	return system + "/" + arch + "/" + variant
}

// PlatformOfConfig reads an image's configuration for its platform.
func PlatformOfConfig(text []byte) (string, error) {
	var config struct{ OS, Architecture, Variant string }
	if err := json.Unmarshal(text, &config); err != nil || config.OS == "" {
		return "", fmt.Errorf("the image configuration does not tell its platform: %.200q", text)
	}
	return PlatformName(config.OS, config.Architecture, config.Variant), nil
}
