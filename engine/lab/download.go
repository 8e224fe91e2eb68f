package lab

import (
	"fmt"
	"net/url"
	"strings"
)

// downloadCommands get what the lab's web servers have; there is no other web.
func downloadCommands() map[string]Command {
	return map[string]Command{
		"curl": command("f,fail s,silent S,show-error L,location k,insecure o,output= O,remote-name m,max-time= retry= connect-timeout=", 2, curlCommand),
		"wget": command("q,quiet n= O,output-document= t,tries= T,timeout= no-check-certificate", 2, wgetCommand),
	}
}

// fetch gets one address: its content, or the HTTP status (404), or 0 where there is no such server.
func fetch(address string) (data []byte, status int) {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, RVSDownloads[:strings.Index(RVSDownloads, "/rocm")]) || u.Host == "" {
		return nil, 0
	}
	if data, ok := Download(address); ok {
		return data, 200
	}
	return nil, 404
}

func serverOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

func curlCommand(c *cmdline) int {
	if len(c.args) != 1 {
		fmt.Fprintln(c.p.Stderr(), "curl: try 'curl --help' for more information")
		return 2
	}
	address := c.args[0]
	data, status := fetch(address)
	loud := !c.has("s") || c.has("S")
	switch {
	case status == 0:
		if loud {
			fmt.Fprintf(c.p.Stderr(), "curl: (6) Could not resolve host: %s\n", serverOf(address))
		}
		return 6
	case status != 200 && c.has("f"):
		if loud {
			fmt.Fprintf(c.p.Stderr(), "curl: (22) The requested URL returned error: %d\n", status)
		}
		return 22
	case status != 200:
		data = []byte("<html><body><h1>404 Not Found</h1></body></html>\n")
	}
	into := c.last("o", "")
	if c.has("O") {
		into = address[strings.LastIndexByte(address, '/')+1:]
	}
	if !c.deliver(into, data) {
		fmt.Fprintf(c.p.Stderr(), "curl: (23) Failure writing output to destination\n")
		return 23
	}
	return 0
}

func wgetCommand(c *cmdline) int {
	if len(c.args) != 1 {
		fmt.Fprintln(c.p.Stderr(), "wget: missing URL")
		return 1
	}
	address := c.args[0]
	data, status := fetch(address)
	quiet := c.has("q")
	switch {
	case status == 0:
		if !quiet {
			fmt.Fprintf(c.p.Stderr(), "wget: unable to resolve host address '%s'\n", serverOf(address))
		}
		return 4
	case status != 200:
		if !quiet {
			fmt.Fprintf(c.p.Stderr(), "%s:\nERROR %d: Not Found.\n", address, status)
		}
		return 8
	}
	if !c.deliver(orDefault(c.last("O", ""), address[strings.LastIndexByte(address, '/')+1:]), data) {
		return 3
	}
	return 0
}

// deliver writes what was got to a file, or to standard output.
func (c *cmdline) deliver(into string, data []byte) bool {
	if into == "" || into == "-" {
		_, err := c.p.Stdout().Write(data)
		return err == nil
	}
	if err := c.p.WriteFile(into, data, 0o644); err != nil {
		c.p.Errorf("%s: %s", into, strerror(err))
		return false
	}
	return true
}
