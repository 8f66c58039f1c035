package view

import (
	"strings"
	"unicode/utf8"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// Style says how text is set off. The zero Style is plain text, for files and pipes.
type Style struct {
	// Color turns on the escape sequences of ANSI terminals.
	Color bool
}

// paint is how one piece of text is set off.
type paint string

const (
	plain  paint = ""
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	blue   paint = "34"
)

func (s Style) apply(p paint, text string) string {
	if !s.Color || p == plain || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

func phasePaint(phase v1alpha1.Phase) paint {
	switch phase {
	case v1alpha1.PhaseHealthy:
		return green
	case v1alpha1.PhaseProgressing:
		return blue
	case v1alpha1.PhasePaused:
		return yellow
	case v1alpha1.PhaseDegraded:
		return red
	default:
		return plain
	}
}

// cell is one field of a table. Its paint is kept apart from its text because escape sequences have no width.
type cell struct {
	text  string
	paint paint
}

func cells(texts ...string) []cell {
	row := make([]cell, len(texts))
	for i, text := range texts {
		row[i] = cell{text: text}
	}
	return row
}

// columns remembers how wide each column is, so that rows that come later line up with those already printed.
type columns struct {
	widths []int
}

const gap = "  "

// fit widens the columns to the rows.
func (c *columns) fit(rows [][]cell) {
	for _, row := range rows {
		for i, field := range row {
			if i == len(c.widths) {
				c.widths = append(c.widths, 0)
			}
			c.widths[i] = max(c.widths[i], width(field.text))
		}
	}
}

// line sets one row. The last field is not padded, and cut where limit, if it is not 0, leaves no room for it.
func (c *columns) line(s Style, row []cell, limit int) string {
	var out strings.Builder
	used := 0
	for i, field := range row {
		if i > 0 {
			out.WriteString(gap)
			used += len(gap)
		}
		text := field.text
		if i == len(row)-1 {
			if limit > 0 {
				text = cut(text, max(limit-used, 1))
			}
			out.WriteString(s.apply(field.paint, text))
			break
		}
		out.WriteString(s.apply(field.paint, text))
		out.WriteString(strings.Repeat(" ", c.widths[i]-width(text)))
		used += c.widths[i]
	}
	return strings.TrimRight(out.String(), " ")
}

func width(text string) int { return utf8.RuneCountInString(text) }

func cut(text string, limit int) string {
	if width(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}
