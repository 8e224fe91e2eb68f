package inventory

import _ "embed"

// defaultSource is the inventory that the binary carries: a lab.
//
//go:embed default.hcl
var defaultSource []byte

// defaultPath is where a folder has its default inventory; it names the embedded one in messages, too.
const defaultPath = "inventory/default.hcl"
