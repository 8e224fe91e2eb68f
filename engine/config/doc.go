// Package config turns the text of playbooks into source shapes that keep every range. It evaluates nothing: what a
// person wrote stays an expression until a scope is there for it, and a module's arguments stay a body until the module's schema is known.
//
// Each block type has a file of its own with its shape, its schema and its decoder. Everything that is wrong with a file is a diagnostic
// that points at the place; what could be read is returned all the same, so that one run tells as much as possible.
package config
