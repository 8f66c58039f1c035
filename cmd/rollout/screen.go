package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// The control sequences of a terminal that a live picture needs (ECMA-48, and xterm's alternate screen).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	clearRight  = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// screen redraws a picture in place, on the terminal's other screen, so that what was there before comes back.
type screen struct {
	out  io.Writer
	size func() (columns, lines int, ok bool)
	last string
}

func openScreen(out io.Writer, size func() (int, int, bool)) *screen {
	fmt.Fprint(out, enterScreen)
	return &screen{out: out, size: size}
}

// draw shows a picture instead of the last one, in a single write because several flicker.
func (s *screen) draw(picture string) error {
	s.last = picture
	columns, lines, ok := s.size()
	if ok {
		picture = crop(picture, columns, lines)
	}
	picture = strings.ReplaceAll(picture, "\n", clearRight+"\n")
	_, err := fmt.Fprint(s.out, toTop+picture+clearBelow)
	return err
}

// close brings the first screen back and leaves the last picture on it.
func (s *screen) close() {
	fmt.Fprint(s.out, leaveScreen+s.last)
}

// crop keeps as many lines of a picture as there is room for, the long ones wrapped by the terminal. A picture that is
// higher than the screen would scroll, and the next one would be drawn beside it.
func crop(picture string, columns, lines int) string {
	rows := strings.SplitAfter(strings.TrimSuffix(picture, "\n"), "\n")
	used, fits := 0, 0
	for _, row := range rows {
		used += max(1, (visible(row)+columns-1)/max(columns, 1))
		// One line is left for the cursor, one for the note below.
		if used <= lines-2 {
			fits++
		}
	}
	if used <= lines-1 {
		return picture
	}
	return strings.Join(rows[:fits], "") + "… the window is too small for the rest\n"
}

// visible is how many columns a line takes, without its escape sequences.
func visible(line string) int {
	count := 0
	for line != "" {
		if strings.HasPrefix(line, "\x1b[") {
			end := strings.IndexByte(line, 'm')
			if end < 0 {
				break
			}
			line = line[end+1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(line)
		if r != '\n' {
			count++
		}
		line = line[size:]
	}
	return count
}
