package report

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cvsplay/engine/event"
)

const (
	maxQueue = 4000                   // lines that wait for the terminal
	frame    = 100 * time.Millisecond // between two looks at what happened
	goodbye  = 300 * time.Millisecond // that Abort waits for the terminal
)

// A LiveReport draws a run on a terminal: running steps with their progress below, what Plain writes above. It reads no input, so that
// Ctrl-C remains the terminal's, and draws at its own pace: Handle never waits for the terminal, and of the lines that a
// terminal too slow or stopped does not take, the oldest are left out and counted.
type LiveReport struct {
	w       io.Writer
	now     func() time.Time
	program *tea.Program
	ended   chan struct{} // closed when the program has given back the terminal
	failed  error         // of the program; read it after ended

	mu         sync.Mutex
	transcript *transcript
	queue      []string
	left       int // lines left out
	began      time.Time
	over       bool // nothing comes any more
	recap      []string
}

// Live begins to draw on w, which should be a terminal (see CanLive). Close has to be called.
func Live(w io.Writer, o Options) *LiveReport {
	r := &LiveReport{w: w, now: o.Now, ended: make(chan struct{}), transcript: newTranscript(w, o)}
	if r.now == nil {
		r.now = time.Now
	}
	r.began = r.now()
	width, height := o.size(w)
	r.program = tea.NewProgram(&screen{report: r, styles: r.transcript.styles, width: width, height: height},
		tea.WithOutput(fromTheLeft(w)), tea.WithInput(nil), tea.WithoutSignalHandler(), tea.WithoutBracketedPaste(), tea.WithFPS(30))
	go func() {
		defer close(r.ended)
		_, r.failed = r.program.Run()
	}()
	return r
}

// fromTheLeft is w, where all that is drawn begins in the first column: the ^C that a terminal shows has moved the cursor away from it.
func fromTheLeft(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok { // whose size is asked for
		return leftFile{f}
	}
	return leftWriter{w}
}

type leftWriter struct{ io.Writer }

func (w leftWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(append([]byte{'\r'}, p...))
	return max(n-1, 0), err
}

type leftFile struct{ *os.File }

func (f leftFile) Write(p []byte) (int, error) { return leftWriter{f.File}.Write(p) }

// Handle takes e; it is drawn later.
func (r *LiveReport) Handle(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	lines := r.transcript.handle(e)
	if e.Kind == event.RunDone {
		r.recap = lines
		return
	}
	r.queue = append(r.queue, lines...)
	if over := len(r.queue) - maxQueue; over > 0 {
		over += maxQueue / 4 // not again with the next line
		r.left += over
		r.queue = append([]string(nil), r.queue[over:]...)
	}
}

// Close draws what waits, gives back the terminal, and writes the recap. Where the terminal is stopped it waits for it.
func (r *LiveReport) Close() error {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	<-r.ended
	err := r.failed
	if err != nil {
		err = fmt.Errorf("live view: %w", err)
	}
	r.mu.Lock()
	rest := append(r.take(), r.recap...)
	r.recap = nil
	r.mu.Unlock()
	return cmp.Or(writeLines(r.w, rest, nil), err)
}

// Abort gives back the terminal without drawing anything more. It waits a moment for it and not longer.
func (r *LiveReport) Abort() {
	r.program.Kill()
	select {
	case <-r.ended:
	case <-time.After(goodbye):
	}
}

// take gives the lines that wait, and empties the queue. The caller holds the lock.
func (r *LiveReport) take() []string {
	lines := r.queue
	if r.left > 0 {
		note := "… " + count(r.left, "line") + " left out: the terminal did not take them in time"
		lines = append([]string{r.transcript.styles.faint.Render(note)}, lines...)
	}
	r.queue, r.left = nil, 0
	return lines
}

// look gives what there is to draw: new lines, the progress, and whether it is the end.
func (r *LiveReport) look(width int) (lines []string, p progress, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transcript.width = max(width, minWidth)
	return r.take(), r.transcript.progress(r.now().Sub(r.began), r.now()), r.over
}
