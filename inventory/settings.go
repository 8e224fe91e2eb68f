package inventory

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// A setting is one attribute that says how a host is reached. A null value stands for not being set.
type setting struct {
	slot   slot
	want   cty.Type
	set    func(h *Host, v cty.Value) error // v is of the type wanted, known, not null, unmarked
	get    func(h Host) cty.Value           // what a source set; cty.NilVal where it did not
	secret bool
}

// settings are all of them. What is not set is left to what its comment in SSH and Become says.
var settings = []setting{
	{slot: slot{"", "address"}, want: cty.String, set: setAddress, get: func(h Host) cty.Value { return textOf(h.Address) }},
	{slot: slot{"", "connection"}, want: cty.String, set: setConnection, get: func(h Host) cty.Value { return textOf(string(h.Connection)) }},
	{slot: slot{"ssh", "user"}, want: cty.String, set: setSSHUser, get: func(h Host) cty.Value { return textOf(h.SSH.User) }},
	{slot: slot{"ssh", "port"}, want: cty.Number, set: setPort, get: func(h Host) cty.Value { return numberOf(h.SSH.Port) }},
	{slot: slot{"ssh", "identity_files"}, want: cty.List(cty.String),
		set: func(h *Host, v cty.Value) (err error) { h.SSH.IdentityFiles, err = files(v); return err },
		get: func(h Host) cty.Value { return listOf(h.SSH.IdentityFiles) }},
	{slot: slot{"ssh", "known_hosts_files"}, want: cty.List(cty.String),
		set: func(h *Host, v cty.Value) (err error) { h.SSH.KnownHostsFile, err = files(v); return err },
		get: func(h Host) cty.Value { return listOf(h.SSH.KnownHostsFile) }},
	{slot: slot{"ssh", "password"}, want: cty.String, secret: true,
		set: func(h *Host, v cty.Value) error { h.SSH.Password = v.AsString(); return nil },
		get: func(h Host) cty.Value { return textOf(h.SSH.Password) }},
	{slot: slot{"ssh", "bastion"}, want: cty.String,
		set: func(h *Host, v cty.Value) error { h.SSH.Bastion = v.AsString(); return nil },
		get: func(h Host) cty.Value { return textOf(h.SSH.Bastion) }},
	{slot: slot{"ssh", "connect_timeout"}, want: cty.String,
		set: func(h *Host, v cty.Value) (err error) { h.SSH.ConnectTimeout, err = duration(v); return err },
		get: func(h Host) cty.Value { return durationOf(h.SSH.ConnectTimeout) }},
	{slot: slot{"ssh", "keepalive"}, want: cty.String,
		set: func(h *Host, v cty.Value) (err error) { h.SSH.Keepalive, err = duration(v); return err },
		get: func(h Host) cty.Value { return durationOf(h.SSH.Keepalive) }},
	{slot: slot{"ssh", "config"}, want: cty.Bool,
		set: func(h *Host, v cty.Value) error { h.SSH.UserConfig = v.True(); return nil },
		get: func(Host) cty.Value { return cty.NilVal }},
	{slot: slot{"ssh", "compression"}, want: cty.Bool,
		set: func(h *Host, v cty.Value) error { on := v.True(); h.SSH.Compression = &on; return nil },
		get: func(Host) cty.Value { return cty.NilVal }},
	{slot: slot{"ssh", "control_master"}, want: cty.Bool,
		set: func(h *Host, v cty.Value) error { h.SSH.NoMaster = v.False(); return nil },
		get: func(Host) cty.Value { return cty.NilVal }},
	{slot: slot{"become", "method"}, want: cty.String, set: setBecomeMethod, get: func(h Host) cty.Value { return textOf(h.Become.Method) }},
	{slot: slot{"become", "user"}, want: cty.String, set: setBecomeUser, get: func(h Host) cty.Value { return textOf(h.Become.User) }},
	{slot: slot{"become", "password"}, want: cty.String, secret: true,
		set: func(h *Host, v cty.Value) error { h.Become.Password = v.AsString(); return nil },
		get: func(h Host) cty.Value { return textOf(h.Become.Password) }},
}

// settingFor finds settings by their slots.
var settingFor = func() map[slot]*setting {
	m := map[slot]*setting{}
	for i := range settings {
		m[settings[i].slot] = &settings[i]
	}
	return m
}()

// apply gives a host the value of a setting.
func (s *setting) apply(h *Host, v cty.Value) error {
	v, _ = v.UnmarkDeep()
	if v.IsNull() {
		return nil
	}
	if !v.IsWhollyKnown() {
		return errors.New("the value is not known")
	}
	v, err := convert.Convert(v, s.want)
	if err != nil {
		return err
	}
	return s.set(h, v)
}

func textOf(s string) cty.Value {
	if s == "" {
		return cty.NilVal
	}
	return cty.StringVal(s)
}

func numberOf(n int) cty.Value {
	if n == 0 {
		return cty.NilVal
	}
	return cty.NumberIntVal(int64(n))
}

func listOf(texts []string) cty.Value {
	if texts == nil {
		return cty.NilVal
	}
	return nameList(texts)
}

func durationOf(d time.Duration) cty.Value {
	if d == 0 {
		return cty.NilVal
	}
	return cty.StringVal(d.String())
}

// whole is the integer that a number is.
func whole(v cty.Value) (int, bool) {
	n, accuracy := v.AsBigFloat().Int64()
	return int(n), accuracy == big.Exact
}

func setPort(h *Host, v cty.Value) error {
	n, ok := whole(v)
	if !ok || n < 1 || n > 65535 {
		return errors.New("a port is a whole number from 1 to 65535")
	}
	h.SSH.Port = n
	return nil
}

func setConnection(h *Host, v cty.Value) error {
	switch c := Connection(v.AsString()); c {
	case ViaSSH, ViaLocal:
		h.Connection = c
		return nil
	default:
		return fmt.Errorf(`there is no connection %q; it is "ssh" or "local"`, c)
	}
}

func setBecomeMethod(h *Host, v cty.Value) error {
	switch method := v.AsString(); method {
	case "sudo":
		h.Become.Method = method
		return nil
	case "su", "doas", "pkexec", "runas", "dzdo", "ksu", "pbrun", "pfexec", "machinectl":
		return fmt.Errorf("the method %q is not supported yet; use \"sudo\"", method)
	default:
		return fmt.Errorf("there is no method %q; use \"sudo\"", method)
	}
}

func setBecomeUser(h *Host, v cty.Value) error {
	user, err := userName(v)
	h.Become.User = user
	return err
}

func setSSHUser(h *Host, v cty.Value) error {
	user, err := userName(v)
	h.SSH.User = user
	return err
}

func userName(v cty.Value) (string, error) {
	s := v.AsString()
	if s == "" || strings.HasPrefix(s, "-") || strings.ContainsAny(s, " \t\r\n\x00:@/") {
		return "", fmt.Errorf("%q is not the name of a user", s)
	}
	return s, nil
}

// files are the paths of a list. ~ is left to who opens them.
func files(v cty.Value) ([]string, error) {
	list, ok := texts(v, true)
	if !ok || slices.Contains(list, "") {
		return nil, errors.New("a list of paths is needed, none of them empty")
	}
	return list, nil
}

func duration(v cty.Value) (time.Duration, error) {
	d, err := time.ParseDuration(v.AsString())
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a duration above zero, such as \"10s\" or \"1m30s\"", v.AsString())
	}
	return d, nil
}

var (
	hostAddress = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$`)
	dottedQuad  = regexp.MustCompile(`^[0-9.]+$`)
)

func setAddress(h *Host, v cty.Value) error {
	a := v.AsString()
	if err := checkAddress(a); err != nil {
		return err
	}
	h.Address = a
	return nil
}

// checkAddress tells what is wrong with an address to dial.
func checkAddress(a string) error {
	if _, err := netip.ParseAddr(a); err == nil {
		return nil
	}
	switch {
	case a == "":
		return errors.New("the address is empty")
	case strings.HasPrefix(a, "[") && strings.HasSuffix(a, "]"):
		return fmt.Errorf("%q: an IPv6 address stands here without brackets", a)
	case strings.Contains(a, "://"):
		return fmt.Errorf("%q is a URL; an address is a host name or an IP address", a)
	case strings.Contains(a, "@"):
		return fmt.Errorf("%q: the user goes into ssh { user = … }", a)
	case nameColon.MatchString(a):
		return fmt.Errorf("%q: the port goes into ssh { port = … }", a)
	case dottedQuad.MatchString(a):
		return fmt.Errorf("%q is not an IPv4 address", a)
	case len(a) > 253 || !hostAddress.MatchString(a):
		return fmt.Errorf("%q is neither a host name nor an IP address", a)
	}
	return nil
}
