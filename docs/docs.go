// Package docs carries the pages of this folder, so that the program can show them.
package docs

import "embed"

// Pages are the Markdown files beside this one.
//
//go:embed language.md events.md validate.md
var Pages embed.FS
