package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"
)

// sshServer speaks the server's side of SSH for a world: for the host's own port, and for every sshd that somebody
// starts on a host or in a container.
type sshServer struct {
	world    *World
	daemon   *Process // the parent of the logins
	hostKeys []ssh.Signer
	keyFiles []string // authorized_keys files; %h and %u as in sshd_config
	noRoot   bool
	loose    bool     // StrictModes no
	only     string   // the one account that may log in where the server does not run as root; "": it does
	allowed  []string // AllowUsers; none: all
	rules    loginRules
}

// login is one connection to an sshServer. Processes know theirs, so that a fault can cut it.
type login struct {
	conn  net.Conn
	user  User
	rules loginRules
	turn  int64 // in which it came
}

// loginRules are what a login may do: by the server's configuration, and by the options of the key that it came with.
type loginRules struct {
	force    string // command that every session runs
	noPTY    bool
	noTunnel bool // no forwarding
}

// rulesKey is where the rules of a login stand in its permissions.
type rulesKey struct{}

// with adds what the options of an authorized key forbid.
func (r loginRules) with(options []string) loginRules {
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		switch strings.ToLower(name) {
		case "restrict":
			r.noPTY, r.noTunnel = true, true
		case "no-pty":
			r.noPTY = true
		case "no-port-forwarding":
			r.noTunnel = true
		case "command":
			r.force = orDefault(r.force, strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`), `\"`, `"`))
		}
	}
	return r
}

var errDenied = errors.New("permission denied")

// serve handles one connection until it ends.
func (s *sshServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	l := &login{conn: conn}
	h := s.world.host
	if !h.enter(l) {
		return
	}
	defer h.leave(l)
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
		MaxAuthTries:  20,
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			options, ok := s.authorized(meta.User(), key)
			if !ok {
				return nil, errDenied
			}
			return &ssh.Permissions{ExtraData: map[any]any{rulesKey{}: s.rules.with(options)}}, nil
		},
	}
	for _, k := range s.hostKeys {
		config.AddHostKey(k)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	// A login takes its turn among those that are begun already, and after them: so that no more hosts are under way than are worked on.
	t := &turn{turns: &h.lab.work.turns}
	t.begin()
	sc, channels, requests, err := ssh.NewServerConn(conn, config)
	t.end()
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	user, ok := s.world.LookupUser(sc.User())
	if !ok {
		return
	}
	l.user, l.turn = user, t.last
	l.rules, _ = sc.Permissions.ExtraData[rulesKey{}].(loginRules)
	go answerKeepalives(requests)
	for ch := range channels {
		switch ch.ChannelType() {
		case "session":
			go s.session(l, ch)
		case "direct-tcpip":
			if l.rules.noTunnel {
				_ = ch.Reject(ssh.Prohibited, "open failed")
				continue
			}
			go s.forward(ch)
		default:
			_ = ch.Reject(ssh.UnknownChannelType, "unknown channel type")
		}
	}
}

// answerKeepalives answers the requests of a connection as OpenSSH does: it knows none of them, and says so.
func answerKeepalives(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
}

// authorized says whether key may log in as the user, and with which options.
func (s *sshServer) authorized(name string, key ssh.PublicKey) (options []string, ok bool) {
	user, ok := s.world.LookupUser(name)
	if !ok || (s.noRoot && user.UID == 0) || strings.HasSuffix(user.Shell, "nologin") {
		return nil, false
	}
	if s.only != "" && name != s.only || len(s.allowed) > 0 && !slices.Contains(s.allowed, name) {
		return nil, false
	}
	for _, file := range s.keyFiles {
		file = strings.NewReplacer("%h", user.Home, "%u", user.Name, "%%", "%").Replace(file)
		if !strings.HasPrefix(file, "/") {
			file = user.Home + "/" + file
		}
		if !s.loose && !s.world.strict(file, user) {
			continue
		}
		if options, ok := hasKey(s.world, file, key); ok {
			return options, true
		}
	}
	return nil, false
}

// strict is sshd's StrictModes: nobody but the user and root may be able to write to the file or the directories that
// lead to it from the home directory.
func (w *World) strict(file string, user User) bool {
	for path := file; ; path = dirOf(path) {
		info, err := w.fs.Stat(path)
		if err != nil || (info.UserID != user.UID && info.UserID != 0) || info.Bits&0o022 != 0 {
			return false
		}
		if path == user.Home || path == "/" || !within(path, user.Home) {
			return true
		}
	}
}

func hasKey(w *World, file string, key ssh.PublicKey) (options []string, ok bool) {
	data, err := w.fs.ReadFile(file)
	if err != nil {
		return nil, false
	}
	want := key.Marshal()
	for line := range bytes.Lines(data) {
		have, _, options, _, err := ssh.ParseAuthorizedKey(line)
		if err == nil && bytes.Equal(have.Marshal(), want) {
			return options, true
		}
	}
	return nil, false
}

// forward carries a connection to a port inside the lab, for jump hosts.
func (s *sshServer) forward(ch ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(ch.ExtraData(), &to); err != nil {
		_ = ch.Reject(ssh.ConnectionFailed, "bad request")
		return
	}
	conn, err := s.world.dial(to.Host, int(to.Port))
	if err != nil {
		_ = ch.Reject(ssh.ConnectionFailed, strerror(err))
		return
	}
	defer func() { _ = conn.Close() }()
	channel, requests, err := ch.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	defer func() { _ = channel.Close() }()
	go func() {
		_, _ = io.Copy(conn, channel)
		_ = conn.Close()
	}()
	_, _ = io.Copy(channel, conn)
}

// dial reaches a port inside the lab; the hosts' outside ports on 127.0.0.1 are known by their numbers too.
func (w *World) dial(name string, port int) (net.Conn, error) {
	if name == loopback || name == "localhost" {
		for _, h := range w.lab().hosts {
			if h.Port() == port {
				return h.Dial()
			}
		}
	}
	return w.net.Dial(name, port)
}

// remoteSession is one session channel.
type remoteSession struct {
	server  *sshServer
	login   *login
	channel ssh.Channel
	env     []string
	pty     bool // the client has a terminal
	process *Process
	streams sync.WaitGroup // stdout and stderr, as long as any process has them open
}

func (s *sshServer) session(l *login, ch ssh.NewChannel) {
	channel, requests, err := ch.Accept()
	if err != nil {
		return
	}
	r := &remoteSession{server: s, login: l, channel: channel}
	for req := range requests {
		ok := r.request(req)
		if req.WantReply {
			_ = req.Reply(ok, nil)
		}
		if ok && r.process != nil && req.Type != "signal" {
			go r.follow()
		}
	}
	if r.process != nil {
		return // follow closes the channel
	}
	_ = channel.Close()
}

// request handles one request of the channel and says whether it was granted.
func (r *remoteSession) request(req *ssh.Request) bool {
	var text struct{ Value string }
	switch req.Type {
	case "env":
		var kv struct{ Name, Value string }
		if ssh.Unmarshal(req.Payload, &kv) != nil || (kv.Name != "LANG" && !strings.HasPrefix(kv.Name, "LC_")) {
			return false
		}
		r.env = append(r.env, kv.Name+"="+kv.Value)
		return true
	case "pty-req":
		r.pty = !r.login.rules.noPTY
		return r.pty
	case "window-change":
		return r.pty
	case "signal":
		sig, ok := Signal(0), ssh.Unmarshal(req.Payload, &text) == nil && r.process != nil
		if ok {
			if sig, ok = parseSignal(text.Value); ok {
				r.process.Signal(sig)
			}
		}
		return ok
	}
	if r.process != nil || (req.Type != "shell" && ssh.Unmarshal(req.Payload, &text) != nil) {
		return false
	}
	if r.login.rules.force != "" && (req.Type == "exec" || req.Type == "shell" || req.Type == "subsystem") {
		if req.Type != "shell" {
			r.env = append(r.env, "SSH_ORIGINAL_COMMAND="+text.Value)
		}
		r.start([]string{r.login.user.Shell, "-c", r.login.rules.force})
		return true
	}
	switch req.Type {
	case "exec":
		r.start([]string{r.login.user.Shell, "-c", text.Value})
	case "shell":
		r.start([]string{r.login.user.Shell})
	case "subsystem":
		if _, broken := r.server.world.host.Fault(NoSFTP); broken || text.Value != "sftp" {
			return false
		}
		r.start([]string{"/usr/lib/openssh/sftp-server"})
	default:
		return false
	}
	return true
}

// start runs the login shell, or the sftp server, in a session of its own.
func (r *remoteSession) start(argv []string) {
	u := r.login.user
	env := append([]string{
		"USER=" + u.Name, "LOGNAME=" + u.Name, "HOME=" + u.Home, "PATH=" + loginPath(u),
		"SHELL=" + u.Shell, "SSH_CLIENT=127.0.0.1 50000 22", "SSH_CONNECTION=127.0.0.1 50000 " + r.server.world.host.ip + " 22",
	}, r.env...)
	in := newPipe()
	stdout, stderr := r.terminal(in, len(argv) == 1)
	r.streams.Add(2)
	name := argv[0][strings.LastIndexByte(argv[0], '/')+1:]
	shown := append([]string{name}, argv[1:]...)
	path := argv[0]
	main := func(p *Process) int {
		if slow, ok := p.Host().Fault(Slow); ok {
			p.sleep(slow.Delay)
		}
		return p.execPath(path, shown)
	}
	if name == "sftp-server" {
		main = func(p *Process) int { return serveSFTP(p, r.channel, in) }
	}
	home := u.Home
	if _, err := r.server.world.fs.Stat(home); err != nil {
		home = "/"
	}
	r.process = r.server.world.Start(Launch{
		Argv: shown, Env: env, Dir: home, User: u.Name, Parent: r.server.daemon.pid, login: r.login,
		Stdin: readEnd{in}, Stdout: &channelStream{w: stdout, done: r.streams.Done}, Stderr: &channelStream{w: stderr, done: r.streams.Done},
		Main: main,
	})
}

// terminal connects the channel with the process: straight, or through a line editor where the client has a terminal.
// There is no terminal device behind it: the programs see a pipe.
func (r *remoteSession) terminal(in *pipe, prompt bool) (stdout, stderr io.Writer) {
	if !r.pty {
		go r.pump(in)
		return r.channel, r.channel.Stderr()
	}
	ps1 := ""
	if prompt {
		ps1 = r.login.user.Name + "@" + r.server.world.hostName() + ":~# "
	}
	t := term.NewTerminal(r.channel, ps1)
	go func() {
		defer in.closeWrite()
		for {
			line, err := t.ReadLine()
			if err != nil {
				return
			}
			if _, err := in.write(context.Background(), []byte(line+"\n")); err != nil {
				return
			}
		}
	}()
	return t, t
}

func loginPath(u User) string {
	if u.UID == 0 {
		return defaultPath
	}
	return "/usr/local/bin:/usr/bin:/bin:/usr/games"
}

// inputBuffer is small: every idle connection has one.
const inputBuffer = 4 << 10

// pump carries the client's input to the process. A slow host answers late: its input comes late. What fills the buffer is the begin of more.
func (r *remoteSession) pump(in *pipe) {
	buf, turn := make([]byte, inputBuffer), &turn{turns: &r.server.world.lab().work.turns, last: r.login.turn}
	defer turn.end()
	for {
		n, err := r.channel.Read(buf)
		if n > 0 {
			if slow, ok := r.server.world.host.Fault(Slow); ok {
				turn.end()
				time.Sleep(slow.Delay)
			}
			turn.begin()
			if _, werr := in.write(context.Background(), buf[:n]); werr != nil {
				turn.end()
				_, _ = io.Copy(io.Discard, r.channel)
				return
			}
			if n < len(buf) {
				turn.drained(in)
			}
		}
		if err != nil {
			in.closeWrite()
			return
		}
	}
}

// follow reports the end of the process at once, and closes the channel when nobody has its output open any more:
// what was left in the background keeps it open, as with OpenSSH.
func (r *remoteSession) follow() {
	p := r.process
	<-p.done
	st := p.exit()
	if st.signal != 0 {
		_, _ = r.channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal     string
			CoreDumped bool
			Message    string
			Language   string
		}{Signal: st.signal.String()}))
	} else {
		_, _ = r.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(st.code)}))
	}
	r.streams.Wait()
	_ = r.channel.CloseWrite()
	_ = r.channel.Close()
}

// channelStream is the output of a session channel as a stream.
type channelStream struct {
	w    io.Writer
	done func()
}

func (s *channelStream) read(context.Context, []byte) (int, error) { return 0, syscall.EBADF }

func (s *channelStream) write(_ context.Context, p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		return n, syscall.EPIPE
	}
	return n, nil
}

func (s *channelStream) close() error {
	s.done()
	return nil
}

// systemSSHD is the sshd that every host boots with.
type systemSSHD struct{ process *Process }

// Start implements Service.
func (s *systemSSHD) Start(h *Host) {
	s.process = h.world.Start(Launch{
		Argv: []string{"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"}, Parent: 1, Idle: true,
	})
	s.process.exe = "/usr/sbin/sshd"
	server := &sshServer{world: h.world, daemon: s.process, hostKeys: []ssh.Signer{h.key}, keyFiles: []string{".ssh/authorized_keys"}}
	_ = h.world.net.Listen(&Listener{Process: s.process, Address: "0.0.0.0", Port: sshPort, Accept: server.serve})
}

// Stop implements Service.
func (s *systemSSHD) Stop(*Host) { s.process.finish(exitStatus{signal: SIGTERM}) }

// listen opens the host's port on loopback.
func (h *Host) listen() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	ln, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(h.port)))
	if err != nil {
		return err
	}
	h.port = ln.Addr().(*net.TCPAddr).Port
	if _, gone := h.faults.find(Unreachable); gone {
		return ln.Close()
	}
	h.listener = ln
	go h.accept(ln)
	return nil
}

func (h *Host) accept(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		h.admit(conn)
	}
}

// Dial connects to the host's SSH port without a port of this machine. A host that is unreachable, or where nobody listens, refuses.
func (h *Host) Dial() (net.Conn, error) {
	address := virtualAddr(net.JoinHostPort(h.Name(), strconv.Itoa(sshPort)))
	if _, gone := h.faults.find(Unreachable); gone || h.world.net.at(sshPort) == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	near, far := newConnPair(address)
	h.admit(far)
	return near, nil
}

// admit hands a connection to whoever listens on the host's port 22.
func (h *Host) admit(conn net.Conn) {
	if h.lab.opts.RTT > 0 {
		conn = newDelayedConn(conn, h.lab.opts.RTT)
	}
	l := h.world.net.at(sshPort)
	_, silent := h.faults.hit("", Silent) // its expression is empty, which matches
	_, gone := h.faults.find(Unreachable)
	switch {
	case silent:
		if !h.enter(&login{conn: conn}) {
			_ = conn.Close()
		}
	case l == nil || gone:
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	default:
		go l.Accept(conn)
	}
}

// enter keeps a connection for hangUp; false if the host is down.
func (h *Host) enter(l *login) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down || h.conns == nil {
		return false
	}
	h.conns[l] = struct{}{}
	return true
}

func (h *Host) leave(l *login) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, l)
}

// hangUp cuts every connection.
func (h *Host) hangUp() {
	h.mu.Lock()
	var conns []net.Conn
	for l := range h.conns {
		conns = append(conns, l.conn)
	}
	h.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

// cut kills the connection that a process came over, or all of the host's if it came over none.
func (h *Host) cut(p *Process) {
	p.mu.Lock()
	l := p.login
	p.mu.Unlock()
	if l == nil {
		h.hangUp()
		return
	}
	_ = l.conn.Close()
}

// SetFaults replaces the host's faults. Connections that are open stay open.
func (h *Host) SetFaults(list ...Fault) error {
	if err := h.faults.set(list); err != nil {
		return err
	}
	if h.lab.opts.Inside {
		return nil
	}
	gone := slices.ContainsFunc(list, func(f Fault) bool { return f.Kind == Unreachable })
	h.mu.Lock()
	ln := h.listener
	if gone {
		h.listener = nil
	}
	h.mu.Unlock()
	switch {
	case gone && ln != nil:
		return ln.Close()
	case !gone && ln == nil:
		return h.listen()
	}
	return nil
}

// close takes the host away for good.
func (h *Host) close() error {
	h.mu.Lock()
	ln := h.listener
	h.listener = nil
	h.mu.Unlock()
	h.hangUp()
	for _, s := range h.services {
		s.Stop(h)
	}
	h.world.Close()
	if ln != nil {
		return ln.Close()
	}
	return nil
}
