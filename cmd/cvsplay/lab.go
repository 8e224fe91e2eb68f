package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"cvsplay/engine/lab"
	"cvsplay/engine/nodeset"
	"cvsplay/engine/report"
	"cvsplay/inventory"
)

type labFlags struct {
	hosts     int
	inventory string
}

func (a *app) labCommand() *cobra.Command {
	f := labFlags{}
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Keep simulated hosts running, for several runs and for plain ssh",
		Long: "Start simulated hosts and keep them until Ctrl-C. An inventory for -i is written, with the key and the host keys beside it, so that several\n" +
			"runs, and plain ssh, reach the same hosts. All of it is removed at the end. Nothing of this machine is touched otherwise.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.lab(cmd.Context(), f) },
	}
	cmd.Flags().IntVar(&f.hosts, "hosts", 4, "how many `hosts`")
	cmd.Flags().StringVar(&f.inventory, "inventory", "lab.hcl", "the inventory `file` to write")
	return cmd
}

const maxLabHosts = 50_000

func (a *app) lab(ctx context.Context, f labFlags) error {
	if f.hosts < 1 || f.hosts > maxLabHosts {
		return fmt.Errorf("--hosts: a lab has 1 to %d hosts", maxLabHosts)
	}
	if err := mayWrite(f.inventory); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := lab.Start(lab.Options{Hosts: labHosts(f.hosts)})
	if err != nil {
		return err
	}
	defer l.Close()
	registry, err := l.Registry()
	if err != nil {
		return err
	}
	files, err := inventory.SaveLab(f.inventory, l, inventory.LabFile{Variables: map[string]string{"image": registry + "/rocm/cvs:latest"}})
	defer removeAll(files)
	if err != nil {
		return err
	}
	a.labReady(l, f, files, registry)
	<-ctx.Done()
	return nil
}

func labHosts(n int) []lab.HostSpec {
	specs := make([]lab.HostSpec, n)
	width := max(3, len(fmt.Sprint(n)))
	for i := range specs {
		specs[i].Name = fmt.Sprintf("gpu%0*d", width, i+1)
	}
	return specs
}

func (a *app) labReady(l *lab.Lab, f labFlags, files []string, registry string) {
	var names []string
	for _, h := range l.Hosts() {
		names = append(names, h.Name())
	}
	first := l.Hosts()[0]
	out := func(format string, args ...any) { fmt.Fprintln(a.stdout, report.Safe(fmt.Sprintf(format, args...))) }
	out("%d simulated hosts: %s", len(names), nodeset.Fold(names))
	out("")
	out("  a run     cvsplay run playbooks/rvs.hcl -i %s", f.inventory)
	out("  a shell   ssh -i %s -o UserKnownHostsFile=%s -p %d root@%s", files[0], files[1], first.Port(), first.Address())
	out("  images    %s", registry)
	out("")
	out("They live until Ctrl-C.")
}

// mayWrite keeps a file that a person wrote from being overwritten.
func mayWrite(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if strings.Contains(string(line), inventory.LabMark) {
		return nil
	}
	return fmt.Errorf("%s is there already and was not written by a lab; name another file with --inventory", path)
}

func removeAll(files []string) {
	for _, f := range files {
		_ = os.Remove(f) // gone already is as good
	}
}
