// Package datadogtest is a double of Datadog's metrics API.
package datadogtest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/rollout-dev/rollout/analysis/sourcetest"
)

// The keys that the double wants to see.
const (
	APIKey         = "dd-api-key" //nolint:gosec // It opens nothing but the double.
	ApplicationKey = "dd-application-key"
)

// Serve speaks the API to whoever shows both keys. Every series has an older point with another value, and a newer one without any.
func Serve(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
	switch {
	case sourcetest.Fail(w, a, `{"errors":["Forbidden"]}`):
		return
	case r.Header.Get("DD-API-KEY") != APIKey || r.Header.Get("DD-APPLICATION-KEY") != ApplicationKey:
		http.Error(w, `{"errors":["Forbidden"]}`, http.StatusForbidden)
		return
	case r.URL.Path != "/api/v1/query" || r.FormValue("query") == "" || r.FormValue("from") == "" || r.FormValue("to") == "":
		http.NotFound(w, r)
		return
	}
	series := []any{}
	for i, value := range a.Series {
		series = append(series, map[string]any{"scope": "pod:a", "tag_set": []string{fmt.Sprint("pod:checkout-", i)},
			"pointlist": [][2]any{{1000, -1}, {2000, value}, {3000, nil}}})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "ok", "res_type": "time_series", "series": series})
}
