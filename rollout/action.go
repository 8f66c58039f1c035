package rollout

import "fmt"

func (CreateWorkload) isAction() {}
func (Scale) isAction()          {}
func (Point) isAction()          {}
func (Shift) isAction()          {}
func (DeleteWorkload) isAction() {}
func (Widen) isAction()          {}
func (Evict) isAction()          {}
func (Dress) isAction()          {}
func (TakeOver) isAction()       {}

func (a CreateWorkload) String() string {
	return fmt.Sprintf("create revision %s (number %d) with %s: %s", a.Revision, a.Number, pods(a.Replicas), a.Why)
}

func (a Scale) String() string {
	return fmt.Sprintf("scale revision %s to %s: %s", a.Revision, pods(a.Replicas), a.Why)
}

func (a Point) String() string {
	return fmt.Sprintf("point %s at revision %s: %s", backendWords(a.Service, a.SubsetOf), a.Revision, a.Why)
}

func (a Shift) String() string {
	rules := ""
	if a.Rules {
		rules = " with the managed routes of the step"
	}
	return fmt.Sprintf("set canary weight %d%s: %s", a.Percent, rules, a.Why)
}

func (a DeleteWorkload) String() string {
	return fmt.Sprintf("delete revision %s: %s", a.Revision, a.Why)
}

func (a Widen) String() string {
	return fmt.Sprintf("let go of %s: %s", backendWords(a.Service, a.SubsetOf), a.Why)
}

func (a Evict) String() string {
	return fmt.Sprintf("evict %s of revision %s: %s", pods(a.Pods), a.Revision, a.Why)
}

func (a Dress) String() string {
	return fmt.Sprintf("dress the pods of revision %s as %s: %s", a.Revision, a.Role, a.Why)
}

func (a TakeOver) String() string { return "take the pods of the source over: " + a.Why }

// pods is a number of pods in words.
func pods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}
