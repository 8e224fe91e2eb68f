//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A simulator is the command fleet, running.
type simulator struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	port int
	key  string // of all hosts, as in known_hosts
}

// An order is what a simulator is told, see the command.
type order struct {
	Do    string `json:"do"`
	From  string `json:"from,omitempty"`
	RTT   string `json:"rtt,omitempty"`
	Host  string `json:"host,omitempty"`
	Kind  string `json:"kind,omitempty"`
	Every int    `json:"every,omitempty"`
	Delay string `json:"delay,omitempty"`
}

// A tally is what a simulator says that it saw.
type tally struct {
	Error       string `json:"error"`
	Port        int    `json:"port"`
	Key         string `json:"key"`
	Connections int    `json:"connections"`
	Handshakes  int    `json:"handshakes"`
	Sessions    int    `json:"sessions"`
	Answers     int    `json:"answers"`
	Broken      int    `json:"broken"`
	Recorded    int    `json:"recorded"`
}

// startSimulator starts one that lets a public key in.
func startSimulator(binary, authorized, prepare string) (*simulator, error) {
	s := &simulator{cmd: exec.Command(binary, "-authorized", authorized, "-prepare", prepare)}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the benchmark, which ends it
	in, err1 := s.cmd.StdinPipe()
	out, err2 := s.cmd.StdoutPipe()
	s.cmd.Stderr = os.Stderr
	if err := errors.Join(err1, err2, s.cmd.Start()); err != nil {
		return nil, err
	}
	s.in, s.out = in, bufio.NewReader(out)
	first, err := s.read()
	s.port, s.key = first.Port, strings.TrimSpace(first.Key)
	return s, err
}

func (s *simulator) read() (tally, error) {
	var t tally
	text, err := s.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err == nil && t.Error != "" {
		err = errors.New(t.Error)
	}
	if err != nil {
		return t, fmt.Errorf("the simulator: %w", err)
	}
	return t, nil
}

func (s *simulator) tell(o order) (tally, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return tally{}, err
	}
	if _, err := s.in.Write(append(text, '\n')); err != nil {
		return tally{}, fmt.Errorf("the simulator: %w", err)
	}
	return s.read()
}

// start sets all hosts back to a state, "fresh" or "settled", at a distance.
func (s *simulator) start(from string, rtt time.Duration) error {
	_, err := s.tell(order{Do: "start", From: from, RTT: rtt.String()})
	return err
}

// close ends it: it ends with its input.
func (s *simulator) close() error {
	return errors.Join(s.in.Close(), s.cmd.Wait())
}
