package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Departing is a Rollout that is being deleted, and the Deployment that is to get its pods back.
type Departing struct {
	// Now is the time of the observation, Deadline until when it is waited for the Deployment's controller.
	Now, Deadline time.Time
	// Stable is the revision that was last promoted, empty if none was yet.
	Stable Revision
	// Source is the Deployment.
	Source Lender
	// Holdings are the ReplicaSets that belong to the Rollout, to the Deployment, or to nobody after the Rollout.
	Holdings []Holding
	// Backends are the Services in force, by the role they play.
	Backends map[Role]Backend
}

// Lender is a Deployment as it is when it gets its pods back.
type Lender struct {
	// Name of the Deployment.
	Name string
	// Missing: there is no such Deployment.
	Missing bool
	// Held: it is paused on behalf of this Rollout.
	Held bool
	// PausedBefore: somebody had paused it before the Rollout did.
	PausedBefore bool
	// Seen: its controller has seen its present spec.
	Seen bool
	// Target is the revision of its template.
	Target Revision
	// Replicas is what it is asked for. Pods is how many it reports, Updated how many of them have its template.
	Replicas, Pods, Updated int
}

// Holder says whom a ReplicaSet belongs to.
type Holder int

// The holders.
const (
	// HeldByRollout: the Rollout that is being deleted owns it.
	HeldByRollout Holder = iota + 1
	// HeldByNobody: the ownership of the Rollout was ended, by the garbage collector for example.
	HeldByNobody
	// HeldBySource: the Deployment owns it.
	HeldBySource
)

// Holding is a ReplicaSet that the Deployment gets back.
type Holding struct {
	Revision Revision
	// Name of the ReplicaSet.
	Name   string
	Holder Holder
	// Replicas is what it is asked for, Pods how many it has.
	Replicas, Pods int
}

// Resize asks the source for a number of pods, so that its controller finds nothing to scale.
type Resize struct {
	Replicas int
	Why      string
}

// GiveBack makes a ReplicaSet the source's.
type GiveBack struct {
	Revision Revision
	Why      string
}

// Leave makes a ReplicaSet nobody's.
type Leave struct {
	Revision Revision
	// Open: a Deployment may adopt it.
	Open bool
	Why  string
}

// LetGo ends the hold on the source.
type LetGo struct {
	// Paused: it stays paused.
	Paused bool
	// Note is left on it for whoever goes on, empty for nothing.
	Note string
	Why  string
}

// Forget lets the API server remove the Rollout.
type Forget struct {
	Why string
}

func (Resize) isAction()   {}
func (GiveBack) isAction() {}
func (Leave) isAction()    {}
func (LetGo) isAction()    {}
func (Forget) isAction()   {}

func (a Resize) String() string {
	return fmt.Sprintf("ask the Deployment for %d pods: %s", a.Replicas, a.Why)
}

func (a GiveBack) String() string {
	return fmt.Sprintf("give revision %s back to the Deployment: %s", a.Revision, a.Why)
}

func (a Leave) String() string {
	return fmt.Sprintf("leave revision %s to nobody: %s", a.Revision, a.Why)
}

func (a LetGo) String() string {
	if a.Paused {
		return "let go of the Deployment and leave it paused: " + a.Why
	}
	return "let go of the Deployment: " + a.Why
}

func (a Forget) String() string { return "let the Rollout go: " + a.Why }

// Farewell is what is done next for a Rollout that is being deleted.
type Farewell struct {
	// Actions in their order. The rest is decided when their effect is observed.
	Actions []Action
	// Events are what just happened, for people.
	Events []Event
	// Waits says what for, empty if there is nothing to wait for.
	Waits string
}

// HandBack says what to do next so that the Deployment gets its pods back as they are. Every action states an end state and is
// decided on what is observed, so it may be interrupted anywhere.
//
// A deletion never moves traffic. So where more than one revision serves, or the Deployment's template is not the one that
// does, everything stays as it is, and people decide.
func HandBack(d Departing) Farewell {
	ours := slices.ContainsFunc(d.Holdings, func(h Holding) bool { return h.Holder == HeldByRollout })
	switch {
	case d.Source.Missing:
		return d.orphan()
	case !d.Source.Held && !ours:
		return Farewell{Actions: []Action{Forget{Why: "nothing is held any more"}}}
	case !d.alone() || d.serving().size() > 0 && d.serving().Revision != d.Source.Target:
		return d.freeze("in the middle of a release")
	}
	if services := d.letGoOfServices(); len(services) > 0 {
		return Farewell{Actions: services}
	}
	next := d.giveBack()
	if next.Waits != "" && d.Now.After(d.Deadline) {
		return d.freeze("and nothing came of waiting for " + next.Waits)
	}
	return next
}

func (h Holding) size() int { return max(h.Replicas, h.Pods) }

// serving is the revision that has pods, and stable if none has.
func (d Departing) serving() Holding {
	var stable Holding
	for _, h := range d.Holdings {
		if h.size() > 0 {
			return h
		}
		if h.Revision == d.Stable {
			stable = h
		}
	}
	return stable
}

// alone says whether at most one revision has pods.
func (d Departing) alone() bool {
	serving := d.serving()
	return !slices.ContainsFunc(d.Holdings, func(h Holding) bool { return h.size() > 0 && h.Revision != serving.Revision })
}

// letGoOfServices makes the Services reach the pods of all revisions. There is only one, so they reach the same pods as before;
// and those that the Deployment makes later, too.
func (d Departing) letGoOfServices() []Action {
	var actions []Action
	for _, role := range []Role{StableRole, CanaryRole} {
		if d.pins(role) {
			actions = append(actions, Widen{Backend: role, Service: d.Backends[role].Name, SubsetOf: d.Backends[role].SubsetOf, Why: "one revision is all there is, and the Deployment's next one needs the Service too"})
		}
	}
	return actions
}

// pins says whether the Service in a role reaches one revision only.
func (d Departing) pins(role Role) bool {
	b := d.Backends[role]
	return b.Name != "" && !b.Missing && b.Revision != ""
}

// giveBack returns the ReplicaSets. The one with pods goes first: the controller of a paused Deployment that has nothing but
// ReplicaSets without pods asks the newest of them for some. And it makes its only one with pods as large as the
// Deployment is to be, so these two must be equal before.
func (d Departing) giveBack() Farewell {
	serving := d.serving()
	left := slices.DeleteFunc(slices.Clone(d.Holdings), func(h Holding) bool { return h.Holder == HeldBySource })
	slices.SortStableFunc(left, func(a, b Holding) int { return b.size() - a.size() })
	leads := serving.Revision != "" && serving.Holder != HeldBySource
	switch {
	case leads && d.Source.Replicas != serving.Replicas:
		return Farewell{Actions: []Action{Resize{Replicas: serving.Replicas, Why: "that is how many there are"}}}
	case leads && !d.Source.Seen:
		return Farewell{Waits: "the Deployment's controller to see how many pods it is to have"}
	case len(left) > 0:
		var f Farewell
		for _, h := range left {
			f.Actions = append(f.Actions, GiveBack{Revision: h.Revision, Why: "the Rollout is deleted"})
		}
		return f
	case !d.Source.Seen || serving.Pods > 0 && d.Source.Pods == 0:
		return Farewell{Waits: "the Deployment's controller to count its pods"}
	case d.Source.Updated < d.Source.Pods:
		return d.freeze("and the Deployment's controller takes its template for another one than that of its pods")
	}
	return Farewell{
		Actions: []Action{
			LetGo{Paused: d.Source.PausedBefore, Why: "it has all of its pods back"},
			Forget{Why: "the Deployment has its pods back"},
		},
		Events: []Event{{Reason: "HandedBack", Message: fmt.Sprintf("Deployment %s has its pods back; none was restarted", d.Source.Name)}},
	}
}

// freeze leaves everything as it is. The ReplicaSets belong to nobody then: the controller of a paused Deployment with several
// of them scales them, and may take all pods of the older one away.
func (d Departing) freeze(why string) Farewell {
	note := d.note(why)
	f := Farewell{Events: []Event{{Warning: true, Reason: "LeftAsItIs", Message: note}}}
	for _, h := range d.Holdings {
		if h.Holder != HeldBySource {
			f.Actions = append(f.Actions, Leave{Revision: h.Revision, Why: "the Rollout is deleted " + why})
		}
	}
	f.Actions = append(f.Actions, LetGo{Paused: true, Note: note, Why: "the Rollout is deleted " + why}, Forget{Why: "nothing is held any more"})
	return f
}

// note says what there is and how to go on.
func (d Departing) note(why string) string {
	var sets, services []string
	for _, h := range d.Holdings {
		if h.Holder != HeldBySource && h.size() > 0 {
			sets = append(sets, fmt.Sprintf("%s (pods: %d)", h.Name, h.size()))
		}
	}
	for _, role := range []Role{StableRole, CanaryRole} {
		if d.pins(role) {
			services = append(services, d.Backends[role].String())
		}
	}
	text := fmt.Sprintf("the Rollout was deleted %s; nothing was changed, and the Deployment is still paused. ", why)
	if len(sets) > 0 {
		text += "These ReplicaSets go on serving: " + strings.Join(sets, ", ") + ". "
	}
	steps := []string{"give the Deployment the template that is to serve",
		"kubectl rollout resume deployment " + d.Source.Name + ", and wait until its new pods are ready"}
	if len(services) > 0 {
		steps = append(steps, "remove pod-template-hash from the selectors or labels of these: "+strings.Join(services, ", "))
	}
	if len(sets) > 0 {
		steps = append(steps, "delete these ReplicaSets")
	}
	for i, step := range steps {
		steps[i] = fmt.Sprintf("%d. %s", i+1, step)
	}
	return text + "Create the Rollout again, and the release starts anew. To do without it: " + strings.Join(steps, "; ")
}

// orphan leaves the pods to nobody, since the Deployment is gone: nothing else would keep the garbage collector from taking
// them. If one revision is all there is, a Deployment of the same selector may adopt them again.
func (d Departing) orphan() Farewell {
	f := Farewell{Events: []Event{{Warning: true, Reason: "LeftAsItIs",
		Message: fmt.Sprintf("Deployment %s is gone and can't get its pods back; its ReplicaSets go on serving and belong to nobody", d.Source.Name)}}}
	for _, h := range d.Holdings {
		f.Actions = append(f.Actions, Leave{Revision: h.Revision, Open: d.alone(), Why: "the Rollout is deleted, and the Deployment is gone"})
	}
	f.Actions = append(f.Actions, Forget{Why: "nothing is held any more"})
	return f
}
