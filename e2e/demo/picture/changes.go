package picture

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Changes tells in sentences what is different from one scene to the next. Numbers that never stand still, such as the
// count of requests, are no change.
func Changes(before, after Scene) []string {
	told := verdictChanges(before, after)
	if before.Phase != after.Phase || !sameButNumbers(before.Message, after.Message) {
		told = append(told, after.Phase+": "+after.Message)
	}
	if given := splitGiven(after); given != splitGiven(before) && given != "" {
		told = append(told, "traffic given: "+given)
	}
	if lost := after.Requests.Lost; lost > before.Requests.Lost {
		told = append(told, fmt.Sprintf("%d requests lost, %d so far", lost-before.Requests.Lost, lost))
	}
	return append(told, outcomeChanges(before, after)...)
}

func verdictChanges(before, after Scene) []string {
	var told []string
	for _, m := range after.Metrics {
		if m.Verdict != "" && m.Verdict != metricOf(before, m.Name).Verdict {
			told = append(told, m.Name+": "+verdictWords(m))
		}
	}
	return told
}

func outcomeChanges(before, after Scene) []string {
	var told []string
	for i, r := range after.Releases {
		over := r.Outcome == Promoted || r.Outcome == TakenBack
		if over && i < len(before.Releases) && before.Releases[i].Outcome != r.Outcome {
			told = append(told, fmt.Sprintf("%s is %s; clients receive %s", r.Version, r.Outcome, splitReceived(after)))
		}
	}
	return told
}

// sameButNumbers says whether two messages differ in nothing but numbers, as those that count pods do.
func sameButNumbers(a, b string) bool {
	return slices.Equal(strings.FieldsFunc(a, unicode.IsDigit), strings.FieldsFunc(b, unicode.IsDigit))
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
