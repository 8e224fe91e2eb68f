package main

import (
	"flag"
)

// update rewrites what the scripts expect.
var update bool

func init() { flag.BoolVar(&update, "update", false, "rewrite the expected output of the scripts") }
