package picture

import (
	"fmt"
	"slices"
	"strings"
)

// Changes tells in sentences what is different from one scene to the next. Numbers that never stand still, such as the
// count of requests, are no change.
func Changes(before, after Scene) []string {
	var told []string
	say := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }

	for _, m := range after.Metrics {
		old := metricOf(before, m.Name)
		if m.Verdict != old.Verdict && m.Verdict != "" {
			say("%s: %s", m.Name, verdictWords(m))
		}
	}
	if before.Phase != after.Phase || before.Message != after.Message {
		say("%s: %s", after.Phase, after.Message)
	}
	if given := splitGiven(after); given != splitGiven(before) && given != "" {
		say("traffic given: %s", given)
	}
	if after.Requests.Lost > before.Requests.Lost {
		say("%d requests lost, %d so far", after.Requests.Lost-before.Requests.Lost, after.Requests.Lost)
	}
	for i, r := range after.Releases {
		if i < len(before.Releases) && before.Releases[i].Outcome != r.Outcome && (r.Outcome == Promoted || r.Outcome == TakenBack) {
			say("%s is %s; clients receive %s", r.Version, r.Outcome, splitReceived(after))
		}
	}
	return told
}

func metricOf(s Scene, name string) Metric {
	i := slices.IndexFunc(s.Metrics, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return Metric{}
	}
	return s.Metrics[i]
}

func verdictWords(m Metric) string {
	if m.Value == "" {
		return m.Verdict
	}
	return fmt.Sprintf("%s (%s, threshold %s)", m.Verdict, m.Value, m.Threshold)
}

func splitGiven(s Scene) string {
	return split(s, func(r Revision) string {
		if r.Given == 0 {
			return ""
		}
		return fmt.Sprintf("%s %d%%", r.Version, r.Given)
	})
}

func splitReceived(s Scene) string {
	return split(s, func(r Revision) string {
		if r.Received == 0 {
			return ""
		}
		return fmt.Sprintf("%s %.0f%%", r.Version, r.Received*100)
	})
}

func split(s Scene, words func(Revision) string) string {
	var parts []string
	for _, r := range s.Revisions {
		if w := words(r); w != "" {
			parts = append(parts, w)
		}
	}
	return strings.Join(parts, ", ")
}
