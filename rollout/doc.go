// Package rollout decides how a new version reaches production. It is pure: Decide takes everything that is known as a
// value and returns everything that should be done as a value. It has no clock, no client, no logger and no error; an
// invalid spec is a decision too.
//
// # Words
//
// A revision is one pod template, known by its hash. The stable revision is the one that was last promoted; the canary
// (in blue-green the preview) is the revision under test. A backend is a Service that traffic can be sent to; the split is the
// share in percent that each backend gets. A split is settled when the router has accepted it and the settle time has passed; a backend is
// drained when it has been settled at zero for the drain time. A step is one entry of the user's plan. A verdict is what
// the analysis says of a revision. A request is what a person asked for.
//
// # Phases
//
//	                 available
//	Installing ─────────────────► (no release) ◄──────────────────────────┐
//	                                  │ new template                      │ passed, drained
//	                                  ▼            all steps done         │
//	                               Stepping ─────────────────────────► Promoting
//	                                  │  ▲                                │
//	      request, analysis, deadline,│  │ retry                          │ the same
//	      superseded                  ▼  │                                ▼
//	                               Aborting ◄─────────────────────────────┘
//	                                  │ drained
//	                                  ▼
//	                               Aborted ── new template ──► (no release)
//
// A revision that has served before may go from no release to Promoting at once; see start in idle.go.
//
// Without a release the engine still works: it makes both backends reach stable, gives the stable backend everything,
// and only then removes what is left of other revisions. That one rule, way.converge, finishes a promotion, cleans up
// after an abort and repairs what somebody else changed.
//
// # Modes
//
// What moves traffic is a way: byRoutes (routed.go, handover.go) lets a router split it between two Services, byPods
// (rolling.go) lets the number of pods be the share, bySelector (switching.go) switches the active Service: blue-green is a
// canary with one edge from 0 to 100. Which one is in force stands in the status and changes only when nothing but stable has
// pods (rewire.go).
//
// # Capacity, traffic, identity
//
// Growing goes: pods, ready endpoints, settle, share. Shrinking goes the other way: share, settle, drain, pods. What a
// backend points at changes only while it is drained. invariants.go says this in a form that can be checked.
package rollout
