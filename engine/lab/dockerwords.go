package lab

import (
	"errors"
	"fmt"
	"strings"
)

// A problem is something that a container runtime refuses, or cannot do. Each runtime has its own words for it.
type problem int

const (
	noContainer      problem = iota // name
	noImage                         // reference
	noObject                        // name
	nameTaken                       // name, id of the container that has it
	renameTaken                     // name, id of the container that has it, id of the one to rename
	renameSame                      // name
	badName                         // name
	renameBad                       // name
	execStopped                     // id
	execPaused                      // name
	execRestarting                  // id
	startPaused                     // id
	pauseStopped                    // id, state
	pausedAlready                   // id
	notPaused                       // id
	killStopped                     // name, id, state
	removeActive                    // name, id, state
	removeBusy                      // id
	badFilter                       // key
	badSignal                       // signal
	noUser                          // account, id
	noGroup                         // group, id
	noDevice                        // path
	noSource                        // path of a volume
	noWorkdir                       // path, id
	programMissing                  // program
	programNotThere                 // path of a program
	programForbidden                // program
	portTaken                       // container, address, port
	pullNoTag                       // reference in full, repository in full, tag or digest, familiar repository
	pullNoRepository                // as pullNoTag
	pullNoHost                      // as pullNoTag, domain
	pullRefused                     // as pullNoTag, domain, address
	pullOffline                     // as pullNoTag, domain
	pullNoLogin                     // as pullNoTag, domain, path in the registry
	pullSchema1                     // as pullNoTag
	pullNoPlatform                  // as pullNoTag, architecture
	pullDiskFull                    // as pullNoTag, where it writes
	loginRefused                    // domain
)

// dockerWords are what Docker's engine answers. Arguments are counted as the problems say.
var dockerWords = map[problem]string{
	noContainer:      "No such container: %[1]s",
	noImage:          "No such image: %[1]s",
	noObject:         "No such object: %[1]s",
	nameTaken:        "Conflict. The container name \"/%[1]s\" is already in use by container \"%[2]s\". You have to remove (or rename) that container to be able to reuse that name.",
	renameTaken:      "Error when allocating new name: Conflict. The container name \"/%[1]s\" is already in use by container \"%[2]s\". You have to remove (or rename) that container to be able to reuse that name.",
	renameSame:       "Renaming a container with the same name as its current name",
	badName:          "Invalid container name (%[1]s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
	renameBad:        "Error when allocating new name: Invalid container name (/%[1]s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
	execStopped:      "container %[1]s is not running",
	execPaused:       "Container %[1]s is paused, unpause the container before exec",
	execRestarting:   "Container %[1]s is restarting, wait until the container is running",
	startPaused:      "cannot start a paused container, try unpause instead",
	pauseStopped:     "container %[1]s is not running",
	pausedAlready:    "Container %[1]s is already paused",
	notPaused:        "Container %[1]s is not paused",
	killStopped:      "cannot kill container: %[1]s: container %[2]s is not running",
	removeActive:     "cannot remove container \"/%[1]s\": container is %[3]s: stop the container before removing or force remove",
	removeBusy:       "container %[1]s: driver \"overlay2\" failed to remove root filesystem: unlinkat /var/lib/docker/overlay2/%[1]s/merged: device or resource busy",
	badFilter:        "invalid filter '%[1]s'",
	badSignal:        "Invalid signal: %[1]s",
	noUser:           "unable to find user %[1]s: no matching entries in passwd file",
	noGroup:          "Unable to find group %[1]s: no matching entries in group file",
	noDevice:         "error gathering device information while adding custom device \"%[1]s\": no such file or directory",
	programMissing:   ociRun + "exec: \"%[1]s\": executable file not found in $PATH: unknown",
	programNotThere:  ociRun + "exec: \"%[1]s\": stat %[1]s: no such file or directory: unknown",
	programForbidden: ociRun + "exec: \"%[1]s\": permission denied: unknown",
	portTaken:        "driver failed programming external connectivity on endpoint %[1]s: Bind for %[2]s:%[3]d failed: port is already allocated",
	pullNoTag:        "manifest for %[4]s:%[3]s not found: manifest unknown: manifest unknown",
	pullNoRepository: "pull access denied for %[4]s, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
	pullNoHost:       "Get \"https://%[5]s/v2/\": dial tcp: lookup %[5]s: no such host",
	pullRefused:      "Get \"https://%[5]s/v2/\": dial tcp %[6]s: connect: connection refused",
	pullOffline:      "Get \"https://%[5]s/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
	pullNoLogin:      "Head \"https://%[5]s/v2/%[6]s/manifests/%[3]s\": no basic auth credentials",
	pullSchema1: "[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, schema 1 support is disabled by default and will be removed in an " +
		"upcoming release. Suggest the author of %[1]s to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. " +
		"More information at https://docs.docker.com/go/deprecated-image-specs/",
	pullNoPlatform: "no matching manifest for linux/%[5]s in the manifest list entries",
	pullDiskFull:   "write %[5]s/tmp/GetImageBlob: no space left on device",
	loginRefused:   "login attempt to https://%[1]s/v2/ failed with status: 401 Unauthorized",
}

const ociRun = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "

// podmanWords are podman's, with its exit code where that is not 125.
var podmanWords = map[problem]struct {
	words string
	code  int
}{
	noContainer:      {"no container with name or ID \"%[1]s\" found: no such container", 0},
	noImage:          {"%[1]s: image not known", 0},
	noObject:         {"no such object: \"%[1]s\"", 0},
	nameTaken:        {"creating container storage: the container name \"%[1]s\" is already in use by %[2]s. You have to remove that container to be able to reuse that name: that name is already in use", 0},
	renameTaken:      {"renaming container %[3]s: name %[1]s already in use, cannot rename container %[3]s: container already exists", 0},
	renameSame:       {"renaming container %[3]s: name %[1]s already in use, cannot rename container %[3]s: container already exists", 0},
	badName:          {"running container create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument", 0},
	renameBad:        {"names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument", 0},
	execStopped:      {"can only create exec sessions on running containers: container state improper", 255},
	execPaused:       {"can only create exec sessions on running containers: container state improper", 255},
	execRestarting:   {"can only create exec sessions on running containers: container state improper", 255},
	startPaused:      {"unable to start container \"%[1]s\": container %[1]s must be in Created or Stopped state to be started: container state improper", 0},
	pauseStopped:     {"\"%[2]s\" is not running, can't pause: container state improper", 0},
	pausedAlready:    {"\"%[1]s\" is already paused: container state improper", 0},
	notPaused:        {"\"%[1]s\" is not paused, can't unpause: container state improper", 0},
	killStopped:      {"can only kill running containers. %[2]s is in state %[3]s: container state improper", 0},
	removeActive:     {"cannot remove container %[2]s as it is %[3]s - running or paused containers cannot be removed without force: container state improper", 2},
	removeBusy:       {"removing storage for container \"%[1]s\": unmounting container storage: device or resource busy", 0},
	badFilter:        {"%[1]s is an invalid filter", 0},
	badSignal:        {"invalid signal: %[1]s", 0},
	noUser:           {"unable to find user %[1]s: no matching entries in passwd file", 126},
	noGroup:          {"looking up supplemental groups for container %[2]s: Unable to find group %[1]s: no matching entries in group file", 126},
	noDevice:         {"stat %[1]s: no such file or directory", 0},
	noSource:         {"statfs %[1]s: no such file or directory", 0},
	noWorkdir:        {"workdir \"%[1]s\" does not exist on container %[2]s", 126},
	programMissing:   {"crun: executable file `%[1]s` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found", 127},
	programNotThere:  {"crun: executable file `%[1]s` not found: No such file or directory: OCI runtime attempted to invoke a command that was not found", 127},
	programForbidden: {"crun: open executable: Permission denied: OCI permission denied", 126},
	portTaken:        {"cannot listen on the TCP port: listen tcp4 %[2]s:%[3]d: bind: address already in use", 126},
	pullNoTag:        {"initializing source docker://%[1]s: reading manifest %[3]s in %[2]s: manifest unknown: manifest unknown", 0},
	pullNoRepository: {"initializing source docker://%[1]s: reading manifest %[3]s in %[2]s: errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required", 0},
	pullNoHost:       {"initializing source docker://%[1]s: pinging container registry %[5]s: Get \"https://%[5]s/v2/\": dial tcp: lookup %[5]s: no such host", 0},
	pullRefused:      {"initializing source docker://%[1]s: pinging container registry %[5]s: Get \"https://%[5]s/v2/\": dial tcp %[6]s: connect: connection refused", 0},
	pullOffline:      {"initializing source docker://%[1]s: pinging container registry %[5]s: Get \"https://%[5]s/v2/\": dial tcp 10.19.0.2:443: i/o timeout", 0},
	pullNoLogin:      {"initializing source docker://%[1]s: reading manifest %[3]s in %[2]s: unauthorized", 0},
	pullSchema1:      {"initializing image from source docker://%[1]s: no FSLayers in manifest", 0},
	pullNoPlatform:   {"choosing an image from manifest list docker://%[1]s: no image found in manifest list for architecture %[5]s, variant \"\", OS linux", 0},
	pullDiskFull:     {"writing blob: storing blob to file \"/var/tmp/storage1/1\": write /var/tmp/storage1/1: no space left on device", 0},
	loginRefused:     {"logging into \"%[1]s\": invalid username/password", 0},
}

// daemonError is what Docker's engine answers.
type daemonError string

func (e daemonError) Error() string { return "Error response from daemon: " + string(e) }

// podmanError is what podman ends with.
type podmanError struct {
	words string
	code  int
}

func (e podmanError) Error() string { return e.words }

// fail is a problem in the words of the runtime.
func (e *ContainerEngine) fail(p problem, args ...any) error {
	if e.podman {
		said := podmanWords[p]
		return podmanError{phrase(said.words, args), orDefault(said.code, 125)}
	}
	return daemonError(phrase(dockerWords[p], args))
}

// noImage is the problem of an image that is not here, which Docker names with the tag that goes without saying.
func (e *ContainerEngine) imageMissing(s string) error {
	if !e.podman {
		s = withLatest(s)
	}
	return e.fail(noImage, s)
}

func phrase(format string, args []any) string {
	if !strings.Contains(format, "%[") {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// noProgram is a command that a container cannot run, with the exit code for it.
type noProgram struct {
	error
	code int
}

func (e noProgram) Unwrap() error { return e.error }

// wordsOf are the engine's own, without what the client puts before them.
func wordsOf(err error) string {
	if d, ok := errors.AsType[daemonError](err); ok {
		return string(d)
	}
	return err.Error()
}
