// Package newrelictest is a double of New Relic's NerdGraph.
package newrelictest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/rollout-dev/rollout/analysis/sourcetest"
)

// The account that the double knows, and the key that it wants to see.
const (
	Account = 42
	UserKey = "NRAK-SECRET"
)

// Request is what NerdGraph reads.
type Request struct {
	Query     string `json:"query"`
	Variables struct {
		Account int    `json:"account"`
		NRQL    string `json:"nrql"`
	} `json:"variables"`
}

// Serve speaks NerdGraph to whoever shows the key.
func Serve(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
	if sourcetest.Fail(w, a, `{"errors":[{"message":"Invalid API key"}]}`) {
		return
	}
	var asked Request
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Variables.Account != Account || r.Header.Get("API-Key") != UserKey || r.URL.Path != "/graphql" {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	results := []any{}
	for i, value := range a.Series {
		results = append(results, map[string]any{"facet": fmt.Sprint("host-", i), "average.duration": value})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"actor": map[string]any{"account": map[string]any{"nrql": map[string]any{"results": results}}}}})
}
