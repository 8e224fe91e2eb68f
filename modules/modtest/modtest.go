// Package modtest runs the laws of modules: what holds for every step of every module, on any hosts.
//
//  1. Asking changes nothing: a check leaves every host as it was, to the last file, container and process.
//  2. What check says a step would change is what its run changes, change by change, from the same state.
//  3. After a run the next check has nothing to change.
//  4. A second run changes nothing.
//  5. A host that cannot be reached is never taken for one where something is absent.
//
// A [Case] is one step to hold them against, a [Fleet] the hosts to do it on: simulated ones ([LabFleet]) or real ones ([ClusterFleet]).
package modtest

import (
	"slices"

	"cvsplay/engine/event"
)

// A Case is one step that the laws are held against, and the state it begins from. Files, ports and container names of a case are its own:
// cases share the hosts.
type Case struct {
	Name   string
	Module string
	// Setup is a script that brings a host, as root, to the state the case begins from, whatever was there before. Containers are gone
	// before it runs.
	Setup string
	// Before are steps that ran earlier, in a playbook of their own.
	Before string
	// Given are steps that stand before the step in its playbook, and have run once: what it stands on, such as the container it works in.
	Given string
	// Step is the step in HCL, with the name "it". It may use var.image and var.older, two images of the fleet's registry, var.archive, the path of
	// an archive with the former under the name of ArchivedImage, and run_once and the like as any step.
	Step string
	// Ends is how the first run ends the step; the zero value is Changed.
	Ends event.Status
	// Already are hosts on which the step has nothing to do from the beginning.
	Already []string
	// Settles tells whether a second run has nothing to do.
	Settles Settling
	// Without tells what happens where a host of the fleet cannot be reached.
	Without Absence
	// NoHost says that the step asks no host at all, so that it does not notice one that is gone.
	NoHost bool
	// Only is the kind of fleet that the case is for; the zero value is every kind.
	Only Kind
}

// ends is how the first run ends the step on a host.
func (c Case) ends(host string) event.Status {
	switch {
	case slices.Contains(c.Already, host):
		return event.OK
	case c.Ends == "":
		return event.Changed
	}
	return c.Ends
}

// changes tells whether the first run changes some host.
func (c Case) changes() bool { return c.Ends == "" || c.Ends == event.Changed }

// A Settling tells whether a step is done after it ran. The zero value is the law; the others are exempt from laws 3 and 4.
type Settling int

// The kinds of settling.
const (
	Settles   Settling = iota
	EachRun            // a script that nothing guards: it runs every time
	ForTheRun          // what it makes lasts for the run and is removed at its end: a host is then as before, but for images
)

// An Absence tells what a step does on the other hosts where one cannot be reached.
type Absence int

// The kinds of absence.
const (
	GoesOn  Absence = iota // it ends there as ever
	Refuses                // it has to know all of them: nothing changes anywhere
)

// A Kind is a kind of fleet.
type Kind string

// The kinds of fleets.
const (
	Simulated Kind = "lab"
	Real      Kind = "cluster"
)
