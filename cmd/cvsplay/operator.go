package main

import (
	"os"
	"os/user"
)

// operator is who runs the command, and from where, as "USER@CONTROLLER": what it leaves on hosts says so to other people.
func operator() string {
	name, host := "?", "?"
	if me, err := user.Current(); err == nil {
		name = me.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}
