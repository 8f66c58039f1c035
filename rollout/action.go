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
	return fmt.Sprintf("create revision %s (number %d) with %d pods: %s", a.Revision, a.Number, a.Replicas, a.Why)
}

func (a Scale) String() string {
	return fmt.Sprintf("scale revision %s to %d pods: %s", a.Revision, a.Replicas, a.Why)
}

func (a Point) String() string {
	return fmt.Sprintf("point the %s backend at revision %s: %s", a.Backend, a.Revision, a.Why)
}

func (a Shift) String() string { return fmt.Sprintf("set canary weight %d: %s", a.Percent, a.Why) }

func (a DeleteWorkload) String() string {
	return fmt.Sprintf("delete revision %s: %s", a.Revision, a.Why)
}

func (a Widen) String() string { return fmt.Sprintf("let go of the %s backend: %s", a.Backend, a.Why) }

func (a Evict) String() string {
	return fmt.Sprintf("evict %d pods of revision %s: %s", a.Pods, a.Revision, a.Why)
}

func (a Dress) String() string {
	return fmt.Sprintf("dress the pods of revision %s as %s: %s", a.Revision, a.Role, a.Why)
}

func (a TakeOver) String() string { return "take the pods of the source over: " + a.Why }
