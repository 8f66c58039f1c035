package istio

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// status is what Istio may say of a VirtualService.
type status struct {
	Conditions         []statusCondition `json:"conditions"`
	ObservedGeneration generation        `json:"observedGeneration"`
}

type statusCondition struct {
	Type               string     `json:"type"`
	Status             string     `json:"status"`
	Reason             string     `json:"reason"`
	Message            string     `json:"message"`
	ObservedGeneration generation `json:"observedGeneration"`
}

// generation is a number, or a text with a number in it: Istio writes both. It is 0 if it isn't known.
type generation int64

// UnmarshalJSON reads both forms.
func (g *generation) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	if err != nil {
		n = 0
	}
	*g = generation(n)
	return nil
}

// reconciled is the condition that becomes true when all proxies have the object. There is also PassedAnalysis, which takes
// back nothing, and may be about a part of the object that has nothing to do with the split.
const reconciled = "Reconciled"

// missingAcceptance says what is missing until all proxies have the present generation, if the control plane says so; empty
// if nothing is, or if nobody can tell, which is the default. Only what is said of the present generation counts: a control plane whose
// status was switched off, or that has it no more, leaves its last one behind for ever.
func missingAcceptance(o *Object) string {
	var s status
	if len(o.Status) == 0 || json.Unmarshal(o.Status, &s) != nil {
		return ""
	}
	for _, c := range s.Conditions {
		of := c.ObservedGeneration
		if of == 0 {
			of = s.ObservedGeneration
		}
		if c.Type != reconciled || int64(of) != o.Generation || c.Status == "True" {
			continue
		}
		says := []string{fmt.Sprintf("not all proxies have generation %d yet", o.Generation), c.Reason, c.Message}
		return strings.Join(slices.DeleteFunc(says, func(text string) bool { return text == "" }), ": ")
	}
	return ""
}
