// Package modules holds the shipped modules, one file each. A module's file registers it with one line; All lists them.
package modules

import "cvsplay/engine"

var registered []engine.Module

// register adds a module; called from init functions only.
func register(m engine.Module) { registered = append(registered, m) }

// All are the shipped modules.
func All() engine.Modules { return engine.NewModules(registered...) }
