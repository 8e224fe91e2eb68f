package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"sync"
)

// Profiles are what --profile-cpu and --profile-mem ask for, for go tool pprof.
type profiles struct {
	cpu, mem *os.File // nil: not asked for
	end      sync.Once
	failed   error
}

// startProfiles opens the files that are asked for, "" for none, and begins to measure.
func startProfiles(cpu, mem string) (*profiles, error) {
	p := &profiles{}
	if cpu != "" && cpu == mem {
		return nil, errors.New("--profile-cpu and --profile-mem: two profiles need two files")
	}
	var err error
	if mem != "" {
		if p.mem, err = os.Create(mem); err != nil {
			return nil, fmt.Errorf("--profile-mem: %w", err)
		}
	}
	if cpu != "" {
		if p.cpu, err = os.Create(cpu); err == nil {
			err = pprof.StartCPUProfile(p.cpu)
		}
		if err != nil {
			return nil, fmt.Errorf("--profile-cpu: %w", err)
		}
	}
	return p, nil
}

// stop writes the files, once, and gives the first error. What was in use is told as of the last garbage collection, when the hosts were still there;
// what was allocated in all is there, too.
func (p *profiles) stop() error {
	p.end.Do(func() {
		var errs []error
		if p.cpu != nil {
			pprof.StopCPUProfile()
			errs = append(errs, named("--profile-cpu", p.cpu.Close()))
		}
		if p.mem != nil {
			errs = append(errs, named("--profile-mem", errors.Join(pprof.WriteHeapProfile(p.mem), p.mem.Close())))
		}
		p.failed = errors.Join(errs...)
	})
	return p.failed
}

func named(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", flag, err)
}
