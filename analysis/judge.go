package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Judge says what the evidence of one measurement means.
//
// NaN is no data: it is what a ratio is while there are no requests. An infinity is an answer and lies outside every
// range, also one without a bound on that side: errors per request are infinite when there were errors and no requests,
// and no threshold was written to let that pass. A condition that deals with them itself has the last word.
func Judge(m Metric, e Evidence) Judgement {
	if e.Err != nil {
		return Judgement{Verdict: Error, Message: e.Err.Error()}
	}
	if m.Gate {
		return judgePermission(e)
	}
	j := m.judge(e)
	j.Requests = Total(e.Counts)
	if few := m.MinRequests - j.Requests; (j.Verdict == Pass || j.Verdict == Fail) && !(few <= 0) {
		j.Verdict = Inconclusive
		j.Message = fmt.Sprintf("is about %s requests, too few to judge; wanted %s", plain(j.Requests, 3), plain(m.MinRequests, 15))
	}
	return j
}

func (m Metric) judge(e Evidence) Judgement {
	all := e.Sample.Series
	switch {
	case m.wantsDocument(e.Sample):
		return m.judgeDocument(e.Sample.Document)
	case len(all) == 0 && !m.heed(Nothing):
		return Judgement{Verdict: NoData, Message: "the query gave no value"}
	case len(all) == 0:
		return m.decide(Answer{}, m.judgeNothing)
	case m.Choice == List:
		return m.judgeList(all)
	case len(all) > 1 && m.Choice == Single:
		return Judgement{Verdict: Error, Message: several(all)}
	}
	judgements := make([]Judgement, len(all))
	for i, s := range all {
		judgements[i] = m.judgeSeries(s, e.Baseline)
		if len(all) > 1 && judgements[i].Message != "" {
			judgements[i].Message += " " + s.name()
		}
	}
	return choose(m.Choice, judgements)
}

// choose is one judgement for several series. With All the worst decides. With Any a single good one does, and only if every
// one of them is bad they are bad together.
func choose(c Choice, all []Judgement) Judgement {
	order := []Verdict{Error, Fail, Inconclusive, NoData, Pass}
	if c == Any {
		order = []Verdict{Pass, Error, Inconclusive, NoData, Fail}
	}
	return slices.MinFunc(all, func(a, b Judgement) int {
		return slices.Index(order, a.Verdict) - slices.Index(order, b.Verdict)
	})
}

func (m Metric) judgeSeries(s Series, stable Sample) Judgement {
	value := s.Value
	answer := Answer{Result: value, Labels: s.Labels}
	if m.Baseline != nil {
		base, problem := baselineOf(stable, s)
		if problem.Verdict != "" {
			return problem
		}
		if answer.Baseline = base; m.Success == nil && m.Failure == nil {
			return m.judgeRelative(value, base)
		}
	}
	text := m.Threshold.Format(value)
	switch {
	case math.IsNaN(value) && !m.heed(NotANumber):
		return Judgement{Verdict: NoData, Message: "the query gave NaN, not a number"}
	case math.IsInf(value, 0) && !m.heed(Infinite):
		return Judgement{Verdict: Fail, Value: value, Text: text, Message: "was " + text + ", wanted " + m.Wanted()}
	}
	j := m.decide(answer, func() Verdict { return verdictOf(m.Threshold.contains(value)) })
	return m.worded(j, value, text)
}

// worded adds the value to a judgement about it.
func (m Metric) worded(j Judgement, value float64, text string) Judgement {
	if j.Verdict == Error {
		return j
	}
	j.Value, j.Text = value, text
	if j.Verdict != Pass {
		j.Message = "was " + text + ", wanted " + m.Wanted()
	}
	return j
}

// decide asks the conditions, or otherwise if there is none.
func (m Metric) decide(a Answer, otherwise func() Verdict) Judgement {
	if m.Success == nil && m.Failure == nil {
		return Judgement{Verdict: otherwise()}
	}
	if m.Failure != nil {
		bad, err := m.Failure.Holds(a)
		if err != nil {
			return Judgement{Verdict: Error, Message: fmt.Sprintf("failureCondition %s: %v", m.Failure, err)}
		}
		if bad || m.Success == nil {
			return Judgement{Verdict: verdictOf(!bad)}
		}
	}
	good, err := m.Success.Holds(a)
	switch {
	case err != nil:
		return Judgement{Verdict: Error, Message: fmt.Sprintf("successCondition %s: %v", m.Success, err)}
	case !good && m.Failure != nil:
		return Judgement{Verdict: Inconclusive}
	}
	return Judgement{Verdict: verdictOf(good)}
}

func (m Metric) judgeNothing() Verdict { return NoData }

// wantsDocument says whether it is a document that is judged. One that is a number, or whose numbers a threshold can judge, is
// taken for these.
func (m Metric) wantsDocument(s Sample) bool {
	_, number := s.Document.(float64)
	conditional := m.Success != nil || m.Failure != nil
	return s.Document != nil && (len(s.Series) == 0 || conditional && !number)
}

func (m Metric) judgeDocument(document any) Judgement {
	if m.Success == nil && m.Failure == nil {
		return Judgement{Verdict: Error, Message: "the answer is a document; say what is good of it with successCondition, or take a number out of it"}
	}
	j := m.decide(Answer{Result: document}, m.judgeNothing)
	if j.Verdict == Fail || j.Verdict == Inconclusive {
		j.Message = "did not answer as wanted: " + m.Wanted()
	}
	return j
}

// judgeList lets the conditions see all values at once.
func (m Metric) judgeList(all []Series) Judgement {
	values := make([]float64, len(all))
	var texts []string
	for i, s := range all {
		values[i] = s.Value
		texts = append(texts, m.Threshold.Format(s.Value))
		switch {
		case math.IsNaN(s.Value) && !m.heed(NotANumber):
			return Judgement{Verdict: NoData, Message: "the query gave NaN, not a number, for " + s.name()}
		case math.IsInf(s.Value, 0) && !m.heed(Infinite):
			return Judgement{Verdict: Fail, Message: "was infinite for " + s.name() + ", wanted " + m.Wanted()}
		}
	}
	text := "[" + strings.Join(texts[:min(len(texts), 3)], ", ")
	if len(texts) > 3 {
		text += fmt.Sprintf(", and %d more", len(texts)-3)
	}
	return m.worded(m.decide(Answer{Result: values}, m.judgeNothing), values[0], text+"]")
}

// heed says whether all conditions there are deal with an oddity themselves. A threshold never does.
func (m Metric) heed(o Oddity) bool {
	some := m.Success != nil || m.Failure != nil
	return some && (m.Success == nil || m.Success.Heeds(o)) && (m.Failure == nil || m.Failure.Heeds(o))
}

func verdictOf(good bool) Verdict {
	if good {
		return Pass
	}
	return Fail
}

// several says how to choose one of them: whichever came first or last would be luck.
func several(all []Series) string {
	return fmt.Sprintf("the query gave %d series, %s and %s among them; make it one number with sum(...), max(...) or avg(...), "+
		"or say with series: All, Any or List what they mean together", len(all), all[0].name(), all[1].name())
}

// name writes the labels as PromQL does.
func (s Series) name() string {
	var labels []string
	for _, label := range slices.Sorted(maps.Keys(s.Labels)) {
		labels = append(labels, fmt.Sprintf("%s=%q", label, s.Labels[label]))
	}
	return "{" + strings.Join(labels, ", ") + "}"
}
