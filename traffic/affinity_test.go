package traffic_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/traffic"
)

func TestCookiesAreKeptForTLSWhereTheyHaveTo(t *testing.T) {
	given := func(a traffic.Affinity) traffic.Cookies { return a.Rules("v2-1")[2].Cookies }
	a := traffic.Affinity{Cookie: "session", TTL: time.Minute}
	plain := given(a)
	require.Equal(t, "session=v2-1-stable; Path=/; Max-Age=60; HttpOnly; SameSite=Lax", plain.Stable)
	a.Secure = true
	require.Equal(t, traffic.Cookies{Stable: plain.Stable + "; Secure", Canary: plain.Canary + "; Secure"}, given(a))
}
