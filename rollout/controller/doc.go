// Package controller is the shell around package rollout: it observes, lets rollout.Decide decide, and carries the plan
// out. All reads that a decision is made of happen in observe.go and its helpers, all writes in what execute.go leads to and in
// record.go; nothing between them touches the network. Measurements run beside the passes and come back as observations.
//
// Five guards keep a pass from acting on something that is no longer so. It is skipped until its own earlier writes, and what
// it read live, are in the caches (engine.OwnWrites). The caches start from a consistent list (engine.Store). Every write
// carries the resource version it was decided on. What can't be taken back, plans with Confirm set, is decided once more on
// what the API server says right now. And a plan is carried out within the settle time or not at all.
package controller
