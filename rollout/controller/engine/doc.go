// Package engine is the part of a Kubernetes controller that would be the same whatever the controller is about: a
// queue with workers, read caches, the guard against acting on stale reads, a lease, probes and logging.
//
// A controller is put together in this order, and every step has a reason to come before the next:
//
//  1. NewLogger, first of all, because client-go keeps the logger it finds at the first call.
//  2. A Store per kind, with OnChange handlers that turn a change into Queue.Add, and one goroutine that runs each Store.
//  3. Probes, so that a standby answers while it waits.
//  4. Lead, which blocks until this process is the leader. The caches are warm by then, and a hand-over costs no list.
//  5. Queue.Run inside Lead. What changed since the start is already queued, each key once.
//
// A pass that writes tells OwnWrites, and a pass that finds its own writes missing from the caches returns ErrStale
// instead of deciding on an old picture (KEP-5647 describes the same guard for the controllers of Kubernetes itself).
package engine
