package main

import (
	"os"
	osuser "os/user"
)

// operator is who runs the command, and from where, as "USER@CONTROLLER": what it leaves on hosts says so to other people.
func operator() string {
	name, host := "?", "?"
	if me, err := osuser.Current(); err == nil {
		name = me.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}
