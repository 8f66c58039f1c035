// Package stage is what tests need to play on: a cluster with simulated nodes and the engine's custom resource, and controllers
// that can be killed in it.
package stage
