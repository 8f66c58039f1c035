// Package picture turns what is known about a release into text: a live picture for a terminal, and lines that tell what
// changed for everything else. It is pure: the same scene gives the same text.
package picture

import "time"

// Scene is everything that is known at one moment.
type Scene struct {
	// Now is that moment, Started when the demo began.
	Now, Started time.Time
	// Place says where it plays, for example "sandbox cluster demo-x7".
	Place string
	// Rate is how many requests the clients send per second.
	Rate int
	// Releases are all that the demo plays, in their order.
	Releases []Release
	// Current is the position in Releases, -1 before the first one.
	Current int

	// Phase and Message are what the Rollout's status says of itself.
	Phase, Message string
	// Replicas is how many pods the application has.
	Replicas int
	// Revisions have pods or traffic, newest first.
	Revisions []Revision
	// Metrics of the release.
	Metrics []Metric
	// Plan is the release's way to production.
	Plan []Step
	// Requests are all that clients have sent so far.
	Requests Requests
	// History is the share, 0 to 1, that clients received of the current release's version, one value a second.
	History []float64
	// Events are what happened so far, oldest first.
	Events []Event
}

// Release is one of those that are played.
type Release struct {
	// Version and Title, for example "v3" and "answers 20% of the requests with errors".
	Version, Title string
	// Outcome is Waiting, Running, Promoted or TakenBack.
	Outcome Outcome
}

// Outcome is how far a release has come.
type Outcome string

// The outcomes.
const (
	Waiting   Outcome = ""
	Running   Outcome = "running"
	Promoted  Outcome = "promoted"
	TakenBack Outcome = "taken back"
)

// Revision is one version of the application and its pods.
type Revision struct {
	Version, Hash, Role string
	// Ready of the Wanted pods are ready.
	Ready, Wanted int
	// Given is the share in percent that the routes and Services give it, Received the part of the requests, 0 to 1,
	// that clients got answered by it in the last second.
	Given    int
	Received float64
}

// Metric is a number that the release is judged by.
type Metric struct {
	Name, Value, Threshold, Verdict string
}

// Step is one entry of the plan.
type Step struct {
	Words string
	State StepState
}

// StepState says how far the release has come with a step.
type StepState string

// The states of a step, as the signs that stand for them.
const (
	StepNext    StepState = "·"
	StepNow     StepState = "▶"
	StepDone    StepState = "✔"
	StepStopped StepState = "✖"
)

// Requests counts what clients got.
type Requests struct {
	// Sent is all of them, Lost those that the application did not answer.
	Sent, Lost int
	// Errors are those that a version itself answered with an error.
	Errors []VersionErrors
}

// VersionErrors counts the errors that one version answered with.
type VersionErrors struct {
	Version string
	Count   int
}

// Event is one thing that happened.
type Event struct {
	At   time.Time
	Text string
}
