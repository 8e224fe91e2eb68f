package lab

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// A registryLogin is the account with which a client asks a registry; the zero value is nobody.
type registryLogin struct{ user, password string }

// clientConfig is what is used of the file in which a client keeps its logins.
type clientConfig struct {
	Auths map[string]authEntry `json:"auths"`
}

type authEntry struct {
	Auth string `json:"auth,omitempty"` // base64 of user:password
}

// configFile is where the client keeps its logins: Docker in its folder of settings, podman in a file that it forgets at the next boot.
func (d *dockerCLI) configFile() string {
	if d.engine.podman {
		return d.authFile()
	}
	return orDefault(d.config, orDefault(d.p.Getenv("DOCKER_CONFIG"), orDefault(d.p.Getenv("HOME"), "/")+"/.docker")) + "/config.json"
}

func (d *dockerCLI) readConfig(file string) (clientConfig, error) {
	var c clientConfig
	if data, err := d.p.ReadFile(file); err == nil {
		if err := json.Unmarshal(data, &c); err != nil {
			return c, fmt.Errorf("WARNING: Error loading config file: %s: %w", file, err)
		}
	}
	if c.Auths == nil {
		c.Auths = map[string]authEntry{}
	}
	return c, nil
}

// loginFor is the account that the client has for a registry. Podman looks into Docker's file too where it has none of its own.
func (d *dockerCLI) loginFor(domain string) registryLogin {
	files := []string{d.configFile()}
	if d.engine.podman && d.config == "" {
		files = append(files, orDefault(d.p.Getenv("HOME"), "/")+"/.docker/config.json")
	}
	for _, file := range files {
		c, err := d.readConfig(file)
		if err != nil {
			continue
		}
		entry, ok := c.Auths[d.serverKey(domain)]
		if !ok && domain == "docker.io" {
			entry, ok = c.Auths[hubServer]
		}
		plain, err := base64.StdEncoding.DecodeString(entry.Auth)
		if user, password, split := strings.Cut(string(plain), ":"); ok && err == nil && split {
			return registryLogin{user, password}
		}
	}
	return registryLogin{}
}

// serverKey is the name of a registry in the file.
func (d *dockerCLI) serverKey(domain string) string {
	if !d.engine.podman && (domain == "" || domain == "docker.io") {
		return hubServer
	}
	return orDefault(domain, "docker.io")
}

func (d *dockerCLI) writeConfig(c clientConfig) error {
	data, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return err
	}
	file := d.configFile()
	if err := d.p.view().mkdirAll(dirOf(file), 0o700); err != nil {
		return errors.New(strerror(err))
	}
	if err := d.p.WriteFile(file, data, 0o600); err != nil {
		return fmt.Errorf("open %s: %s", file, strings.ToLower(strerror(err)))
	}
	return nil
}

const hubServer = "https://index.docker.io/v1/"

func (d *dockerCLI) login(f *pflag.FlagSet) func([]string) error {
	user, fromStdin := f.StringP("username", "u", "", ""), f.Bool("password-stdin", false, "")
	return func(args []string) error {
		if err := needArgs(args, 0, 1); err != nil {
			return err
		}
		if !*fromStdin || *user == "" {
			return errors.New("Error: Cannot perform an interactive login from a non TTY device") // docker's own words
		}
		b, err := io.ReadAll(d.p.Stdin())
		if err != nil {
			return err
		}
		if err := d.connect(); err != nil {
			return err
		}
		domain := strings.Join(args, "")
		if err := d.letIn(orDefault(domain, "docker.io"), *user, strings.TrimRight(string(b), "\r\n")); err != nil {
			return err
		}
		fmt.Fprintln(d.out(), "Login Succeeded")
		return nil
	}
}

// letIn asks a registry whether it knows an account, and keeps the login.
func (d *dockerCLI) letIn(domain, user, password string) error {
	_, off := d.p.Host().Fault(Offline)
	domains, err := d.p.Host().lab.handlers()
	switch {
	case err != nil:
		return err
	case off:
		return d.unreached(pullOffline, registryHost(domain))
	case domain == DownRegistry:
		return d.unreached(pullRefused, domain, downAddress.String())
	case !letIn(domain, user, password) && domain == "docker.io" && !d.engine.podman:
		return daemonError("Get \"https://registry-1.docker.io/v2/\": unauthorized: incorrect username or password")
	case !letIn(domain, user, password):
		return d.engine.fail(loginRefused, domain)
	case domains[domain] == nil && d.p.Host().lab.catalogued(imageRef{domain: domain}).domain == domain:
		return d.unreached(pullNoHost, domain)
	}
	c, err := d.readConfig(d.configFile())
	if err != nil {
		return err
	}
	c.Auths[d.serverKey(domain)] = authEntry{base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}
	return d.writeConfig(c)
}

// unreached is a registry that does not answer a login.
func (d *dockerCLI) unreached(p problem, args ...any) error {
	words := d.engine.fail(p, append([]any{"", "", "", ""}, args...)...).Error()
	if d.engine.podman {
		_, words, _ = strings.Cut(words, ": ")
		return podmanError{fmt.Sprintf("authenticating creds for %q: %s", args[0], words), 125}
	}
	return errors.New(words)
}

func (d *dockerCLI) logout(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		if err := needArgs(args, 0, 1); err != nil {
			return err
		}
		server := d.serverKey(strings.Join(args, ""))
		c, err := d.readConfig(d.configFile())
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out(), "Removing login credentials for %s\n", server) // there or not
		if _, there := c.Auths[server]; !there {
			return nil
		}
		delete(c.Auths, server)
		return d.writeConfig(c)
	}
}
