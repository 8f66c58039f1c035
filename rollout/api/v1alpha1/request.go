package v1alpha1

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RequestAnnotation carries what a person asked for, as the JSON of a Request. It is an annotation rather than a field of
// the spec because a GitOps tool would take a field back.
const RequestAnnotation = "rollout.dev/request"

// Verb is what a person can ask for.
type Verb string

// The verbs.
const (
	// VerbPromote ends the current step, or the wait before promotion.
	VerbPromote Verb = "promote"
	// VerbPromoteFull skips all steps and the analysis.
	VerbPromoteFull Verb = "promote-full"
	// VerbAbort takes the release back.
	VerbAbort Verb = "abort"
	// VerbRetry starts a release that was taken back again.
	VerbRetry Verb = "retry"
	// VerbPause freezes the Rollout like spec.paused, until VerbResume.
	VerbPause Verb = "pause"
	// VerbResume ends what VerbPause began.
	VerbResume Verb = "resume"
	// VerbUndo says that the change of the template that is written together with the request goes back to a revision that
	// has served before: it skips the steps and the analysis. Request.Revision is that revision.
	VerbUndo Verb = "undo"
	// VerbRestart replaces all pods, within their revisions.
	VerbRestart Verb = "restart"
)

// Request is what a person asked for. It is bound to what the person saw: a request for another revision, or to end
// another step than the current one, is refused.
type Request struct {
	// ID makes the request unique; none is applied twice.
	ID string `json:"id"`
	// Verb is what is asked for.
	Verb Verb `json:"verb"`
	// Revision is the revision under test that the person saw; for undo the one to go back to.
	Revision string `json:"revision"`
	// Step is the step that the person saw, counting from 0; it binds promote only.
	Step int32 `json:"step"`
	// By is who asked, as far as the client knows.
	By string `json:"by,omitempty"`
	// At is when.
	At metav1.Time `json:"at,omitzero"`
}

// RequestStatus is the engine's answer to a request.
type RequestStatus struct {
	// ID of the request.
	ID string `json:"id"`
	// Verb that was asked for.
	// +optional
	Verb Verb `json:"verb,omitempty"`
	// Outcome is Accepted or Refused.
	// +kubebuilder:validation:Enum=Accepted;Refused
	Outcome string `json:"outcome"`
	// Message says why, if it was refused.
	// +optional
	Message string `json:"message,omitempty"`
	// At is when the engine answered.
	// +optional
	At *metav1.MicroTime `json:"at,omitempty"`
}

// The outcomes of a request.
const (
	OutcomeAccepted = "Accepted"
	OutcomeRefused  = "Refused"
)

// ReadRequest returns the request that the annotations carry, nil if there is none.
func ReadRequest(annotations map[string]string) (*Request, error) {
	text, there := annotations[RequestAnnotation]
	if !there {
		return nil, nil
	}
	var r Request
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("read annotation %s: %w", RequestAnnotation, err)
	}
	return &r, nil
}

// Annotation is the request as the value of RequestAnnotation.
func (r Request) Annotation() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("a Request is always valid JSON: %v", err))
	}
	return string(text)
}
