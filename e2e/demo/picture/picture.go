package picture

import (
	"fmt"
	"strings"
	"time"
)

// The least room for which the picture is laid out. A smaller terminal sees its top left part.
const (
	leastWidth = 72
	mostWidth  = 120
	chartRows  = 3
	mostEvents = 8
)

// Render draws the scene. Where the height is bounded, the events and then the chart make room for the rest.
func Render(s Scene, style Style) string {
	layout := style
	layout.Width = min(max(style.Width, leastWidth), mostWidth)
	top := stack(head(s, layout), releases(s), current(s, layout), revisions(s, layout), metrics(s), plan(s, layout), requests(s))
	columns := chart(s, layout)
	room := mostEvents
	if style.Height > 0 {
		if len(top)+1+len(columns) > style.Height {
			columns = nil
		}
		room = min(room, style.Height-len(top)-len(columns)-2)
	}
	all := stack(top, columns, events(s, room))

	cutTo := layout
	cutTo.Width = style.Width
	var out strings.Builder
	for i, l := range all {
		if style.Height > 0 && i == style.Height {
			break
		}
		out.WriteString(l.render(cutTo) + "\n")
	}
	return out.String()
}

// stack puts blocks below one another, with a blank line between them.
func stack(blocks ...[]line) []line {
	var all []line
	for _, block := range blocks {
		if len(block) == 0 {
			continue
		}
		if len(all) > 0 {
			all = append(all, nil)
		}
		all = append(all, block...)
	}
	return all
}

func head(s Scene, style Style) []line {
	name, clock := "Rollout demo", s.Now.Sub(s.Started).Round(time.Second).String()
	about := fmt.Sprintf("   checkout, %d pods, %d requests a second   %s", s.Replicas, s.Rate, s.Place)
	field := style.Width - width(name) - width(clock) - 1
	return []line{{painted(bold, name), painted(dim, left(about, field)+" "+clock)}}
}

func releases(s Scene) []line {
	var all []line
	for i, r := range s.Releases {
		sign, p := sign(r.Outcome)
		words := plain
		switch {
		case i == s.Current:
			words = bold
		case r.Outcome == Waiting:
			words = dim
		}
		l := line{painted(p, " "+sign+" "), painted(words, fmt.Sprintf("%-4s%s", r.Version, r.Title))}
		if r.Outcome == Promoted || r.Outcome == TakenBack {
			l = append(l, painted(p, "  "+string(r.Outcome)))
		}
		all = append(all, l)
	}
	return all
}

func sign(o Outcome) (string, paint) {
	switch o {
	case Promoted:
		return "✔", green
	case TakenBack:
		return "↩", yellow
	case Running:
		return "▶", blue
	default:
		return "·", dim
	}
}

func current(s Scene, style Style) []line {
	if s.Phase == "" {
		return []line{{painted(dim, "The controller has not looked at the Rollout yet")}}
	}
	field := len("Progressing") + 3
	var all []line
	// Two lines whether they are needed or not: what is below should stay where it is.
	for i, words := range append(wrap(s.Message, style.Width-field, 2), "")[:2] {
		first := spaces(field)
		if i == 0 {
			first = left(s.Phase, field)
		}
		all = append(all, line{painted(phasePaint(s.Phase), first), text(words)})
	}
	return all
}

func phasePaint(phase string) paint {
	switch phase {
	case "Healthy":
		return green
	case "Degraded":
		return red
	case "Paused":
		return yellow
	default:
		return blue
	}
}

// columns of the table of revisions.
const (
	nameField    = 24 // version, hash and role
	podsField    = 17 // bar and numbers
	percentField = 7
	gap          = 3
)

func revisions(s Scene, style Style) []line {
	field := max((style.Width-1-nameField-podsField-2*gap-2*percentField)/2-gap, 8)
	column := field + percentField + gap
	all := []line{{painted(dim, " "+left("REVISION", nameField)+left("PODS READY", podsField+gap)+
		left("TRAFFIC GIVEN", column)+"TRAFFIC RECEIVED")}}
	for _, r := range s.Revisions {
		p := rolePaint(r.Role)
		row := line{
			text(" "), painted(bold, left(r.Version, 4)), painted(dim, left(r.Hash, 11)), painted(p, left(r.Role, nameField-15)),
			painted(p, pods(r, s.Replicas)), text(right(fmt.Sprintf("%d/%d", r.Ready, r.Wanted), podsField-10) + spaces(gap)),
		}
		row = append(row, bar(float64(r.Given)/100, field, p)...)
		row = append(row, text(right(fmt.Sprintf("%d%%", r.Given), percentField)+spaces(gap)))
		row = append(row, bar(r.Received, field, p)...)
		all = append(all, append(row, text(right(fmt.Sprintf("%.1f%%", r.Received*100), percentField))))
	}
	// A constant height again: there are two revisions most of the time.
	for len(all) < 3 {
		all = append(all, nil)
	}
	return all
}

func rolePaint(role string) paint {
	switch role {
	case "stable":
		return green
	case "canary":
		return yellow
	default:
		return dim
	}
}

// pods draws up to ten pods; of more, each sign stands for several.
func pods(r Revision, replicas int) string {
	scale := float64(10) / float64(max(replicas, 10))
	count := func(n int) int { return min(int(float64(n)*scale+0.999), 10) }
	ready := count(min(r.Ready, r.Wanted))
	return left(strings.Repeat("■", ready)+strings.Repeat("□", max(count(r.Wanted)-ready, 0)), 10)
}

func metrics(s Scene) []line {
	all := []line{{painted(dim, " "+left("METRIC", nameField)+left("VALUE", 20)+left("THRESHOLD", 20)+"VERDICT")}}
	for _, m := range s.Metrics {
		value, verdict := m.Value, m.Verdict
		if value == "" {
			value = "-"
		}
		sign, p := "✔", green
		switch verdict {
		case "pass":
		case "fail":
			sign, p = "✖", red
		case "":
			sign, verdict, p = "·", "not yet", dim
		default:
			sign, p = "?", yellow
		}
		all = append(all, line{text(" " + left(m.Name, nameField)), painted(p, left(value, 20)), text(left(m.Threshold, 20)), painted(p, sign+" "+verdict)})
	}
	return all
}

func plan(s Scene, style Style) []line {
	current := line{painted(dim, " "+left("PLAN", 6))}
	indent := current.width()
	var all []line
	for _, step := range s.Plan {
		sign, words := stepPaint(step.State)
		piece := line{painted(sign, string(step.State)+" "), painted(words, step.Words), text(spaces(gap))}
		if current.width()+piece.width()-gap > style.Width {
			all = append(all, current)
			current = line{text(spaces(indent))}
		}
		current = append(current, piece...)
	}
	return append(all, current)
}

func stepPaint(state StepState) (sign, words paint) {
	switch state {
	case StepDone:
		return green, plain
	case StepNow:
		return blue, bold
	case StepStopped:
		return red, plain
	default:
		return dim, dim
	}
}

func requests(s Scene) []line {
	lost := green
	if s.Requests.Lost > 0 {
		lost = red
	}
	l := line{
		painted(dim, " "+left("REQUESTS", 11)), text(fmt.Sprintf("%d sent   ", s.Requests.Sent)),
		painted(lost, fmt.Sprintf("%d lost", s.Requests.Lost)),
	}
	for _, e := range s.Requests.Errors {
		l = append(l, text("   "), painted(yellow, fmt.Sprintf("%d errors answered by %s", e.Count, e.Version)))
	}
	return []line{l}
}

// chart draws the history as columns, the newest at the right end.
func chart(s Scene, style Style) []line {
	if s.Current < 0 || s.Current >= len(s.Releases) {
		return nil
	}
	version := s.Releases[s.Current].Version
	labels := []string{"100%", "50%", "0%"}
	columns := style.Width - 8
	history := s.History[max(len(s.History)-columns, 0):]
	all := []line{{painted(dim, " SHARE OF THE REQUESTS THAT "+version+" ANSWERED, ONE COLUMN A SECOND")}}
	for row := range chartRows {
		var out strings.Builder
		for _, share := range history {
			out.WriteRune(block(share, chartRows-1-row))
		}
		all = append(all, line{painted(dim, " "+right(labels[row], 4)+" │"), painted(blue, out.String())})
	}
	return all
}

// block is the part of a column that is in a row, counting rows from below.
func block(share float64, row int) rune {
	filled := int(share*float64(chartRows*8) + 0.5)
	if share > 0 {
		filled = max(filled, 1)
	}
	switch inRow := filled - row*8; {
	case inRow <= 0:
		return ' '
	case inRow >= 8:
		return '█'
	default:
		return eighthsUp[inRow-1]
	}
}

func events(s Scene, room int) []line {
	if room <= 0 {
		return nil
	}
	var all []line
	for _, e := range s.Events[max(len(s.Events)-room, 0):] {
		all = append(all, line{painted(dim, " "+e.At.Format(time.TimeOnly)+"  "), text(e.Text)})
	}
	return all
}
