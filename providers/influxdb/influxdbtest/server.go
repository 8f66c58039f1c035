// Package influxdbtest is a double of InfluxDB 2.
package influxdbtest

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/rollout-dev/rollout/analysis/sourcetest"
)

// The organization that the double knows, and the token that it wants to see.
const (
	Organization = "shop"
	Token        = "influx-token=="
)

// Head is what an annotated CSV begins with.
const Head = "#datatype,string,long,dateTime:RFC3339,double,string\r\n#group,false,false,false,false,true\r\n#default,_result,,,,\r\n,result,table,_time,_value,pod\r\n"

// Serve speaks the API of InfluxDB 2 to whoever shows the token. Every table has an older row with another value.
func Serve(w http.ResponseWriter, r *http.Request, a sourcetest.Answer) {
	switch {
	case sourcetest.Fail(w, a, `{"code":"invalid","message":"compilation failed"}`):
		return
	case r.URL.Path != "/api/v2/query" || r.URL.Query().Get("org") != Organization || r.Header.Get("Authorization") != "Token "+Token:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":"unauthorized","message":"unauthorized access"}`)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	if len(a.Series) == 0 {
		fmt.Fprint(w, "\r\n")
		return
	}
	fmt.Fprint(w, Head)
	for i, value := range a.Series {
		fmt.Fprintf(w, ",,%d,2026-01-01T00:00:00Z,-1,checkout-%d\r\n", i, i)
		fmt.Fprintf(w, ",,%d,2026-01-01T00:01:00Z,%s,checkout-%d\r\n", i, strconv.FormatFloat(value, 'g', -1, 64), i)
	}
	fmt.Fprint(w, "\r\n")
}
