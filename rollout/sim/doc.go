// Package sim is a cluster in memory that does everything to a Rollout that a real one may do, in an order that a seed
// decides: caches lag behind, each kind by its own; controllers crash between two writes, lose answers, are refused, or
// lead at the same time for a while; clocks jump; pods crash or never start; routers and endpoints follow late; people
// and their tools change their minds and every object that the engine works with.
//
// History runs one such history and checks the invariants of package rollout at every write and every decision. Then the
// faults stop, and everything must come to rest. Cluster can also be driven by hand, which is what the golden transcripts do.
//
// # What is assumed
//
// The data plane follows a change of a Service, of its endpoints, or of a route that was accepted, within the settle time.
// Until then it may do what was before or what is now, whichever is worse. A gateway that takes longer breaks every
// promise; spec.strategy.canary.trafficRouting.settleSeconds is where the user says how long theirs takes.
//
// A plan is carried out within the settle time after it was decided, or not at all. A frozen process that thaws must not go
// on where it was; a precondition on one object says nothing of the others.
//
// Where no router splits the traffic controllers take turns, but never lead at the same time: each could take a pod away
// that the other counts on, in two ReplicaSets, and no precondition on one of them says anything of the other. With a
// router the settle time keeps them apart.
//
// Clocks that jump forward cut waits short, and no engine that keeps times in a status can tell. In histories in which
// they do the data plane follows at once, so that the order of things is still checked.
//
// What somebody else does between the moment at which the engine reads and the moment at which it writes is not held
// against it. Objects that people delete, edit or kill change only while no plan is being carried out, and routes,
// Services and ReplicaSets only once the engine has persisted what they were before: a share that came and went while
// nobody looked is in no object. What people ask of the Rollout itself changes at any time.
package sim
