package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A hostCount is a flag's number of hosts.
type hostCount int

// Set reads it.
func (c *hostCount) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return errors.New("it has to be a number of hosts")
	}
	*c = hostCount(n)
	return nil
}

func (c *hostCount) String() string { return strconv.Itoa(int(*c)) }

// Type is what pflag's GetInt wants.
func (c *hostCount) Type() string { return "int" }

// flagText sets a flag that names something. An empty one is what a variable of a shell that is not set leaves, and must not mean that nothing was said.
func flagText(to *string, what string) func(string) error {
	return func(text string) error {
		if blank(text) {
			return fmt.Errorf("%s is empty", what)
		}
		*to = text
		return nil
	}
}

// flagList adds to the names of a flag, which stand between commas.
func flagList(to *[]string, what string) func(string) error {
	return func(text string) error {
		for name := range strings.SplitSeq(text, ",") {
			if blank(name) {
				return fmt.Errorf("%s is empty", what)
			}
			*to = append(*to, strings.TrimSpace(name))
		}
		return nil
	}
}
