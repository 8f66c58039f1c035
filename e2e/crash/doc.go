// Package crash plays releases against a real API server while the controller has bad luck: it dies between any two of its
// writes, hears of changes late, loses answers, or has a double. However bad its luck, the release has to end as it does
// without any, and no write on the way may take from users what they had. Build tag integration.
//
// A controller reaches the API server through a wire of the test (wire_test.go), which is where the bad luck comes from. What
// people do is a script (scenario_test.go) that goes straight to the API server and waits for what the status says, so that it
// is the same however often a controller dies. What must never be is checked at each write (safety_test.go).
package crash
