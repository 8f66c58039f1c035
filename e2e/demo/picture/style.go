package picture

import (
	"strings"
	"unicode/utf8"
)

// Style says how the picture is drawn.
type Style struct {
	// Color turns on the escape sequences of ANSI terminals.
	Color bool
	// Width and Height are the room there is, in characters. A Height of 0 is unbounded.
	Width, Height int
}

// paint is how one piece of text is set off, as the parameter of the escape sequence.
type paint string

const (
	plain  paint = ""
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	blue   paint = "36"
)

// span is text in one paint. It is kept apart from its paint because escape sequences have no width.
type span struct {
	text  string
	paint paint
}

// line is a row of the picture.
type line []span

func text(s string) span             { return span{text: s} }
func painted(p paint, s string) span { return span{text: s, paint: p} }

// left is text in a field, cut or filled up at its end.
func left(s string, field int) string { return cut(s, field) + spaces(field-width(s)) }

// right is text at the end of a field.
func right(s string, field int) string { return spaces(field-width(s)) + cut(s, field) }

func spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }

func width(s string) int { return utf8.RuneCountInString(s) }

func cut(s string, limit int) string {
	if width(s) <= limit {
		return s
	}
	return string([]rune(s)[:max(limit-1, 0)]) + "…"
}

func (l line) width() int {
	sum := 0
	for _, s := range l {
		sum += width(s.text)
	}
	return sum
}

// render writes the line, cut where the room ends.
func (l line) render(s Style) string {
	var out strings.Builder
	room := s.Width
	for _, piece := range l {
		shown := cut(piece.text, room)
		room -= width(shown)
		if !s.Color || piece.paint == plain || shown == "" {
			out.WriteString(shown)
		} else {
			out.WriteString("\x1b[" + string(piece.paint) + "m" + shown + "\x1b[0m")
		}
		if room <= 0 {
			break
		}
	}
	if s.Color {
		return out.String()
	}
	return strings.TrimRight(out.String(), " ")
}

// wrap breaks text into at most most lines.
func wrap(s string, field, most int) []string {
	var lines []string
	current := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case current == "":
			current = word
		case width(current)+1+width(word) <= field:
			current += " " + word
		case len(lines) == most-1:
			current += " " + word // The line is cut when it is drawn.
		default:
			lines = append(lines, current)
			current = word
		}
	}
	return append(lines, current)
}

// eighths are blocks that fill one to eight eighths of a character, from the left and from below.
var (
	eighthsRight = []rune("▏▎▍▌▋▊▉█")
	eighthsUp    = []rune("▁▂▃▄▅▆▇█")
)

// bar is a share, 0 to 1, as a bar on a track of the field's length. What is not nothing is never drawn as nothing.
func bar(share float64, field int, p paint) line {
	filled := int(share*float64(field*8) + 0.5)
	if share > 0 {
		filled = max(filled, 1)
	}
	filled = min(filled, field*8)
	out := strings.Repeat("█", filled/8)
	if rest := filled % 8; rest > 0 {
		out += string(eighthsRight[rest-1])
	}
	return line{painted(p, out), painted(dim, strings.Repeat("░", field-width(out)))}
}
