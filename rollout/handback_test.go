package rollout

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// departing is a Rollout that has just been deleted: stable serves, v1 has no pods, and the Deployment is paused and empty.
func departing() Departing {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return Departing{
		Now: now, Deadline: now.Add(time.Minute), Stable: "stable",
		Source: Lender{Name: "shop", Held: true, Seen: true, Target: "stable", Replicas: 4},
		Holdings: []Holding{
			{Revision: "old", Name: "shop-old", Holder: HeldByRollout},
			{Revision: "stable", Name: "shop-stable", Holder: HeldByRollout, Replicas: 4, Pods: 4},
		},
	}
}

func words(f Farewell) []string {
	var words []string
	for _, action := range f.Actions {
		words = append(words, action.String())
	}
	return words
}

func TestTheNextStepOfAHandBackFollowsFromWhatThereIs(t *testing.T) {
	const deleted = ": the Rollout is deleted"
	pin := func(d *Departing) {
		d.Backends = map[Role]Backend{StableRole: {Name: "a", Revision: "stable"}, CanaryRole: {Name: "b", Missing: true}}
	}
	given := func(d *Departing) {
		for i := range d.Holdings {
			d.Holdings[i].Holder = HeldBySource
		}
	}
	counted := func(d *Departing) { d.Source.Pods, d.Source.Updated = 4, 4 }
	for name, c := range map[string]struct {
		change []func(*Departing)
		next   []string
		waits  string
	}{
		"Services first": {change: []func(*Departing){pin},
			next: []string{"let go of Service a: one revision is all there is, and the Deployment's next one needs the Service too"}},
		"then the size": {change: []func(*Departing){func(d *Departing) { d.Source.Replicas = 3 }},
			next: []string{"ask the Deployment for 4 pods: that is how many there are"}},
		"which its controller has to see": {change: []func(*Departing){func(d *Departing) { d.Source.Seen = false }},
			waits: "the Deployment's controller to see how many pods it is to have"},
		"then the ReplicaSets, the one with pods first": {
			next: []string{"give revision stable back to the Deployment" + deleted, "give revision old back to the Deployment" + deleted}},
		"also those that the garbage collector has released": {change: []func(*Departing){func(d *Departing) { d.Holdings[1].Holder = HeldByNobody }},
			next: []string{"give revision stable back to the Deployment" + deleted, "give revision old back to the Deployment" + deleted}},
		"the rest after a crash": {change: []func(*Departing){func(d *Departing) { d.Holdings[1].Holder = HeldBySource }, func(d *Departing) { d.Source.Replicas = 9 }},
			next: []string{"give revision old back to the Deployment" + deleted}},
		"then its controller counts": {change: []func(*Departing){given}, waits: "the Deployment's controller to count its pods"},
		"and it works on its own": {change: []func(*Departing){given, counted},
			next: []string{"let go of the Deployment: it has all of its pods back", "let the Rollout go: the Deployment has its pods back"}},
		"or stays paused if it was before": {change: []func(*Departing){given, counted, func(d *Departing) { d.Source.PausedBefore = true }},
			next: []string{"let go of the Deployment and leave it paused: it has all of its pods back", "let the Rollout go: the Deployment has its pods back"}},
		"last of all after a crash": {change: []func(*Departing){given, counted, func(d *Departing) { d.Source.Held = false }},
			next: []string{"let the Rollout go: nothing is held any more"}},
		"nothing was ever taken": {change: []func(*Departing){func(d *Departing) { d.Source.Held, d.Holdings = false, nil }},
			next: []string{"let the Rollout go: nothing is held any more"}},
		"no pods at all": {change: []func(*Departing){func(d *Departing) {
			d.Holdings, d.Stable, d.Source.Target, d.Source.Replicas = d.Holdings[:1], "", "v9", 0
		}},
			next: []string{"give revision old back to the Deployment" + deleted}},
		"a crash in the middle of the take-over": {change: []func(*Departing){func(d *Departing) {
			d.Stable, d.Holdings[1].Holder = "", HeldBySource
			counted(d)
		}}, next: []string{"give revision old back to the Deployment" + deleted}},
		"the Deployment is gone": {change: []func(*Departing){func(d *Departing) { d.Source = Lender{Name: "shop", Missing: true} }},
			next: []string{"leave revision old to nobody: the Rollout is deleted, and the Deployment is gone",
				"leave revision stable to nobody: the Rollout is deleted, and the Deployment is gone", "let the Rollout go: nothing is held any more"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := departing()
			for _, change := range c.change {
				change(&d)
			}
			f := HandBack(d)
			require.Equal(t, c.next, words(f))
			require.Equal(t, c.waits, f.Waits)
		})
	}
}

func TestInTheMiddleOfAReleaseADeletionChangesNothing(t *testing.T) {
	for name, change := range map[string]func(*Departing){
		"two revisions have pods":     func(d *Departing) { d.Holdings[0].Replicas = 1 },
		"one of them on its way out":  func(d *Departing) { d.Holdings[0].Pods = 1 },
		"another template is to come": func(d *Departing) { d.Source.Target = "next" },
		"somebody has resumed the Deployment": func(d *Departing) {
			d.Holdings = append(d.Holdings, Holding{Revision: "new", Name: "shop-new", Holder: HeldBySource, Replicas: 4})
		},
		"the Deployment's controller differs": func(d *Departing) {
			d.Source.Pods = 4
			for i := range d.Holdings {
				d.Holdings[i].Holder = HeldBySource
			}
		},
		"its controller is silent": func(d *Departing) { d.Source.Seen, d.Now = false, d.Deadline.Add(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			d := departing()
			change(&d)
			f := HandBack(d)
			require.Empty(t, f.Waits)
			for _, action := range f.Actions {
				switch a := action.(type) {
				case Leave:
					require.False(t, a.Open, "the Deployment would scale it")
				case LetGo:
					require.True(t, a.Paused)
					require.Contains(t, a.Note, "nothing was changed")
					require.Contains(t, a.Note, "kubectl rollout resume deployment shop")
				case Forget:
				default:
					t.Fatalf("it does something: %v", action)
				}
			}
			require.IsType(t, Forget{}, f.Actions[len(f.Actions)-1])
			require.True(t, f.Events[0].Warning)
		})
	}
}

func TestTheNoteNamesWhatIsLeftAndHowToGoOn(t *testing.T) {
	d := departing()
	d.Holdings[0].Replicas = 1
	d.Backends = map[Role]Backend{StableRole: {Name: "shop-stable", Revision: "stable"}, CanaryRole: {Name: "shop-canary", Revision: "old"}}
	require.Equal(t, "the Rollout was deleted in the middle of a release; nothing was changed, and the Deployment is still paused. "+
		"These ReplicaSets go on serving: shop-old (pods: 1), shop-stable (pods: 4). Create the Rollout again, and the release starts anew. To do without it: "+
		"1. give the Deployment the template that is to serve; 2. kubectl rollout resume deployment shop, and wait until its new pods are ready; "+
		"3. remove pod-template-hash from the selectors or labels of these: Service shop-stable, Service shop-canary; 4. delete these ReplicaSets",
		HandBack(d).Events[0].Message)
}

func TestOrphansMayBeAdoptedOnlyIfOneRevisionIsAllThereIs(t *testing.T) {
	d := departing()
	d.Source.Missing = true
	open := func() bool {
		return slices.ContainsFunc(HandBack(d).Actions, func(a Action) bool { leave, is := a.(Leave); return is && leave.Open })
	}
	require.True(t, open())
	d.Holdings[0].Replicas = 1
	require.False(t, open())
}
