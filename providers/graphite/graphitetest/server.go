// Package graphitetest is a double of Graphite.
package graphitetest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"

	"github.com/rollout-dev/rollout/analysis/sourcetest"
)

// The header that the double wants to see, as a proxy in front of Graphite may.
const (
	KeyHeader = "X-Key"
	Key       = "gr@phite secret"
)

// Serve speaks the render API to whoever shows the key. Every series has an older point with another value, and a newer one without any.
func Serve(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
	switch {
	case sourcetest.Fail(w, a, "invalid target"):
		return
	case r.URL.Path != "/render" || r.FormValue("format") != "json" || r.FormValue("target") == "" || r.Header.Get(KeyHeader) != Key:
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	list := []any{}
	for i, value := range a.Series {
		number := json.RawMessage(fmt.Sprint(value))
		if math.IsInf(value, 1) {
			number = json.RawMessage("1e9999")
		}
		list = append(list, map[string]any{"target": fmt.Sprint("shop.", i), "tags": map[string]string{"name": "errors"},
			"datapoints": [][2]any{{-1, 1}, {number, 2}, {nil, 3}}})
	}
	_ = json.NewEncoder(w).Encode(list)
}
