// Package sandbox tests the engine and the CLI as processes against a real API server, with simulated nodes and a
// simulated gateway whose clients count what they receive. Build tag integration.
package sandbox
