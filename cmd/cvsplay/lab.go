package main

import (
	"github.com/spf13/cobra"
)

func (a *app) labCommand() *cobra.Command {
	return &cobra.Command{Use: "lab", Short: "Keep simulated hosts running", RunE: func(*cobra.Command, []string) error { return nil }}
}
