package lab

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// The versions of what AMD's package sources have, and where it goes.
const (
	rocmRoot     = "/opt/rocm"
	rvsVersion   = "1.3.0"
	rvsConf      = "share/rocm-validation-suite/conf"
	systemLibs   = "/usr/lib/x86_64-linux-gnu"
	rvsRelease   = "1.4.21" // the newest tarball
	rvsOldBuild  = "1.4.9"
	rocmBuildTag = "70000-42~24.04"
	rocmVersion  = "7.0.0"
)

// rvsModels are the accelerators that RVS has a configuration folder for.
var rvsModels = []string{"MI300A", "MI300X", "MI308X", "MI325X", "MI350X", "MI355X"}

// rocmPackages are what AMD's package sources have, and what RVS needs of the distribution.
func rocmPackages() []Package {
	library := func(name, version, description string, files ...string) Package {
		p := Package{Name: name, Version: version, Description: description, Files: map[string]string{}}
		for _, f := range files {
			p.Files[f] = elfLibrary
		}
		return p
	}
	smi := library("rocm-smi-lib", "7.8.0."+rocmBuildTag, "AMD System Management libraries", rocmRoot+"/lib/librocm_smi64.so.7")
	blas := library("rocblas", "5.0.0."+rocmBuildTag, "ROCm BLAS library", rocmRoot+"/lib/librocblas.so.5")
	yaml := library("libyaml-cpp-dev", "0.7.0+dfsg-8", "YAML parser and emitter for C++ (development files)", systemLibs+"/libyaml-cpp.so")
	yaml.Depends = []string{"libyaml-cpp0.7"}
	pciDev := library("libpci-dev", "1:3.9.0-4", "Linux PCI Utilities (development files)", systemLibs+"/libpci.so")
	pciDev.Depends = []string{"libpci3"}
	suite := Package{
		Name: "rocm-validation-suite", Version: rvsVersion + "." + rocmBuildTag, Description: "The ROCm Validation Suite",
		Depends: []string{"rocblas", "rocm-smi-lib"}, Files: rvsFiles(rocmRoot, rvsVersion), Programs: map[string]string{rocmRoot + "/bin/rvs": "rvs"},
	}
	core := library("rocm-core", "7.0.0."+rocmBuildTag, "Radeon Open Compute (ROCm) Runtime software stack", rocmRoot+"/lib/librocm-core.so.1")
	core.Files[rocmRoot+"/.info/version"] = rocmVersion + "-42\n"
	return []Package{
		core,
		library("libpci3", "1:3.9.0-4", "PCI utilities (shared library)", systemLibs+"/libpci.so.3"), pciDev,
		library("libyaml-cpp0.7", "0.7.0+dfsg-8", "YAML parser and emitter for C++", systemLibs+"/libyaml-cpp.so.0.7"), yaml,
		{Name: "pciutils", Version: "1:3.9.0-4", Description: "PCI utilities", Depends: []string{"libpci3"}, Programs: map[string]string{"/usr/bin/lspci": "lspci"}},
		{
			Name: "amd-smi-lib", Version: "26.0.0." + rocmBuildTag, Description: "AMD System Management libraries and tool",
			Depends:  []string{"rocm-core"},
			Programs: map[string]string{rocmRoot + "/bin/amd-smi": "amd-smi"},
		},
		smi, blas, suite,
		{Name: "doxygen", Version: "1.9.4-4", Description: "Documentation system for C, C++, Java, Python and other languages"},
		{Name: "unzip", Version: "6.0-28", Description: "De-archiver for .zip files"},
		{Name: "cmake", Version: "3.25.1-1", Description: "Cross-platform, open-source make system"},
		{Name: "git", Version: "1:2.39.5-0+deb12u2", Description: "Fast, scalable, distributed revision control system"},
		{Name: "curl", Version: "7.88.1-10+deb12u8", Description: "Command line tool for transferring data with URL syntax", Programs: map[string]string{"/usr/bin/curl": "curl"}},
		{Name: "wget", Version: "1.21.3-1+deb12u1", Description: "Retrieves files from the web", Programs: map[string]string{"/usr/bin/wget": "wget"}},
	}
}

// rocmCommands are the programs that these packages bring.
func rocmCommands() map[string]Command {
	return map[string]Command{
		"rvs":     rvsCommand,
		"amd-smi": amdSMICommand,
		"lspci":   command("n D k v t s= d=", 1, lspciCommand),
	}
}

// elfLibrary is the content of a shared library: nothing that could be run.
const elfLibrary = "\x7fELF\x02\x01\x01lab library\n"

// rvsFiles are the files of RVS below root, but its program.
func rvsFiles(root, version string) map[string]string {
	files := map[string]string{
		root + "/share/rocm-validation-suite/version": version + "\n",
		root + "/lib/librvslib.so.1":                  elfLibrary,
	}
	for _, model := range append([]string{""}, rvsModels...) {
		for name, text := range rvsConfigurations(model) {
			files[path.Join(root, rvsConf, model, name)] = text
		}
	}
	return files
}

// rvsConfigurations are RVS's files for one model, or for all where it is "".
func rvsConfigurations(model string) map[string]string {
	gflops, watts := 9000, 300
	if model != "" {
		gflops, watts = 43500, 750
	}
	return map[string]string{
		"mem.conf":         action("mem", "action_1", ""),
		"gst_single.conf":  action("gst", fmt.Sprintf("gpustress-%d-sgemm-false", gflops), fmt.Sprintf("  target_stress: %d\n", gflops)),
		"iet_stress.conf":  action("iet", fmt.Sprintf("iet-stress-%dW-true", watts), fmt.Sprintf("  target_power: %d\n", watts)),
		"pebb_single.conf": action("pebb", "h2d-sequential-51MB", ""),
		"pbqt_single.conf": action("pbqt", "p2p-unidir-sequential-51MB", ""),
		"peqt_single.conf": action("peqt", "pcie_act_1", ""),
		"babel.conf":       action("babel", "babel_stream", ""),
	}
}

func action(module, name, more string) string {
	return fmt.Sprintf("actions:\n- name: %s\n  device: all\n  module: %s\n  parallel: false\n  count: 1\n%s", name, module, more)
}

// rvsTarball is RVS as it is offered without packages: relocatable, with the libraries that a plain machine lacks.
func rvsTarball(version string) []byte {
	files := rvsFiles(".", version)
	files["./lib/libyaml-cpp.so.0.7"] = elfLibrary
	files["./lib/libpci.so.3"] = elfLibrary
	files["./bin/rvs"] = string(Program("rvs"))
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)

	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	w := tar.NewWriter(zip)
	for _, name := range names {
		mode := int64(0o644)
		if strings.HasSuffix(name, "/bin/rvs") || name == "bin/rvs" {
			mode = 0o755
		}
		_ = w.WriteHeader(&tar.Header{
			Name: path.Clean(name), Mode: mode, Size: int64(len(files[name])), ModTime: time.Unix(1_750_000_000, 0), Typeflag: tar.TypeReg, Uname: "root", Gname: "root",
		}) // a buffer takes everything
		_, _ = w.Write([]byte(files[name]))
	}
	_ = w.Close()
	_ = zip.Close()
	return packed.Bytes()
}

// RVSDownloads is the address, in the lab, of a page that lists tarballs of RVS.
const RVSDownloads = "https://repo.lab.example.com/rocm/rvs/tarball/"

// downloads are what the lab's web servers have, by address. They are the same in every lab.
var downloads = sync.OnceValue(func() map[string][]byte {
	out := map[string][]byte{}
	var page strings.Builder
	page.WriteString("<html><head><title>Index of /rocm/rvs/tarball/</title></head><body><h1>Index of /rocm/rvs/tarball/</h1><pre>\n")
	for _, version := range []string{rvsRelease, rvsOldBuild} {
		name := "amdrocm7-rvs-" + version + "-Linux.tar.gz"
		fmt.Fprintf(&page, "<a href=\"%s\">%s</a>\n", name, name)
		out[RVSDownloads+name] = rvsTarball(version)
	}
	page.WriteString("</pre></body></html>\n")
	out[RVSDownloads] = []byte(page.String())
	return out
})

// Download is what a host of a lab gets from an address; false where there is nothing.
func Download(url string) ([]byte, bool) {
	data, ok := downloads()[url]
	return data, ok
}
