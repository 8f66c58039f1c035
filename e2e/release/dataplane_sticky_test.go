//go:build e2e

package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// sessionCookie is the name of the cookie that the routes give.
const sessionCookie = "shop-session"

// followCookies starts clients that keep the cookies of a version's release, one kind for each version, unless there are some. They are
// told what the route gives: clients in the mesh read routes by themselves, but headers of answers are none of what they support.
func (s *scene) followCookies(version string) {
	s.t.Helper()
	if slices.ContainsFunc(s.keepers, func(c crowd) bool { return c.version == version }) {
		return
	}
	given, err := s.givenCookies()
	require.NoError(s.t, err)
	s.journal.note("cookies: %s", given)
	shares := map[string]float64{"stable": 0, "canary": 100}
	for service, cookie := range given {
		s.startMeshClient(service+"-"+version, certainRate, "cookie="+cookie)
	}
	for service := range given {
		s.keepers = append(s.keepers, crowd{
			clients: s.followMeshClient(service+"-"+version, certainRate),
			who:     "of clients with the cookie of " + service,
			least:   step,
			version: version,
			share: func(at stop) float64 {
				if at.certain() {
					return at.share
				}
				return shares[service]
			},
		})
	}
}

// dismissKeepers stops the clients that keep cookies.
func (s *scene) dismissKeepers() {
	s.t.Helper()
	for _, c := range s.keepers {
		c.Stop()
		c.requireNoFailure()
	}
	s.keepers = nil
}

// givenCookies are what the answers of each Service make a client send when it comes back.
func (s *scene) givenCookies() (map[string]string, error) {
	services := schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	route, err := s.objects.Resource(services).Namespace(s.namespace).Get(s.ctx, "shop", metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read which cookies are given: %w", err)
	}
	rules, _, err := unstructured.NestedSlice(route.Object, "spec", "http")
	given := map[string]string{}
	for _, rule := range rules {
		if name, _, _ := unstructured.NestedString(rule.(map[string]any), "name"); name != sessionCookie+"-new" {
			continue
		}
		destinations, _, _ := unstructured.NestedSlice(rule.(map[string]any), "route")
		for _, destination := range destinations {
			host, _, _ := unstructured.NestedString(destination.(map[string]any), "destination", "host")
			cookie, _, _ := unstructured.NestedString(destination.(map[string]any), "headers", "response", "add", "set-cookie")
			given[host], _, _ = strings.Cut(cookie, ";")
		}
	}
	if given["stable"] == "" || given["canary"] == "" || len(given) != 2 {
		err = errors.Join(err, fmt.Errorf("stable and canary give no cookies of their own: %s", given))
	}
	return given, err
}
