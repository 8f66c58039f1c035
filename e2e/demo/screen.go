package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/rollout-dev/rollout/e2e/demo/picture"
)

// display shows what happens.
type display interface {
	show(scene picture.Scene)
	// close gives the terminal back; it may be called more than once.
	close()
}

// newDisplay is a live picture on a terminal and plain lines everywhere else.
func newDisplay(out *os.File) display {
	if term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb" {
		return &screen{out: out, color: os.Getenv("NO_COLOR") == ""}
	}
	return &lines{out: out}
}

// lines tells the events, one a line.
type lines struct {
	out  *os.File
	told int
}

func (l *lines) show(scene picture.Scene) {
	for _, event := range scene.Events[l.told:] {
		fmt.Fprintf(l.out, "%s  %s\n", event.At.Format(time.TimeOnly), event.Text)
	}
	l.told = len(scene.Events)
}

func (l *lines) close() {}

// The control sequences of a terminal that a live picture needs (ECMA-48, and xterm's alternate screen). Long lines are
// cut rather than wrapped, which would push the rest of the picture down while the window is being made smaller.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	clearRight  = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// screen draws the picture again and again in the same place, on the terminal's other screen.
type screen struct {
	out   *os.File
	color bool
	open  bool
	last  string
}

func (s *screen) show(scene picture.Scene) {
	columns, rows, err := term.GetSize(int(s.out.Fd()))
	if err != nil {
		columns, rows = 100, 0
	}
	// The last row stays empty: a line break there would scroll.
	text := picture.Render(scene, picture.Style{Color: s.color, Width: columns, Height: max(rows-1, 0)})
	frame := toTop + strings.ReplaceAll(text, "\n", clearRight+"\r\n") + clearBelow
	if frame == s.last {
		return
	}
	if !s.open {
		frame = enterScreen + frame
		s.open = true
	}
	s.last = frame
	fmt.Fprint(s.out, frame) // In one write: several flicker.
}

func (s *screen) close() {
	if s.open {
		s.open = false
		fmt.Fprint(s.out, leaveScreen)
	}
}
