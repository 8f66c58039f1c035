package traffic

import (
	"fmt"
	"regexp"
	"time"
)

// Affinity keeps every client on the version that served it first, with a cookie that the routes give and read.
//
// Both versions give one. If only the canary did, every client that stable serves would be drawn again with each request, and in the end
// all would be on the canary, whatever its share. A client that comes back with a cookie is given no new one, so after the cookie's life it
// is drawn again like any other: the part of the clients that the canary has follows its share within that time, in both directions.
type Affinity struct {
	// Cookie is its name, in the characters of a label: it is a part of the names of rules, too.
	Cookie string
	// TTL is the life of a cookie, in whole seconds, at least one.
	TTL time.Duration
	// Secure: clients send it over TLS only. Those that come without TLS are drawn with each request.
	Secure bool
}

// Names of the rules, in the order in which a request has to meet them.
func (a Affinity) Names() []string {
	return []string{a.Cookie + "-canary", a.Cookie + "-stable", a.Cookie + "-new"}
}

// Rules make the routes give cookies and read them. draw says what the clients were drawn for, in letters, digits and dashes: cookies that
// were given for another draw mean nothing, as if there were none.
func (a Affinity) Rules(draw string) []ManagedRule {
	names := a.Names()
	canary, stable := draw+"-canary", draw+"-stable"
	toCanary := HeaderRoute(names[0], a.has(canary))
	toStable := HeaderRoute(names[1], a.has(stable))
	toCanary.Session, toStable.Session, toStable.ToStable = a.Cookie, a.Cookie, true
	return []ManagedRule{toCanary, toStable, {Name: names[2], Cookies: Cookies{Stable: a.set(stable), Canary: a.set(canary)}}}
}

// has describes a request with the cookie, among any others. It is anchored, because some data planes look for a part of the text only.
func (a Affinity) has(value string) HeaderMatch {
	return HeaderMatch{Header: "Cookie", Value: StringMatch{Regex: "^(.*; ?)?" + regexp.QuoteMeta(a.Cookie+"="+value) + "(;.*)?$"}}
}

// set is the value of a Set-Cookie header. Scripts have no use for the cookie, and links from other sites must find the same version.
func (a Affinity) set(value string) string {
	cookie := fmt.Sprintf("%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax", a.Cookie, value, int(a.TTL.Seconds()))
	if a.Secure {
		cookie += "; Secure"
	}
	return cookie
}

// Cookies are what the answers of the two versions set, as values of a Set-Cookie header.
type Cookies struct {
	Stable, Canary string
}
