// Package outbound is how sources reach servers that a namespace's user has named: where they may connect to, how much they
// read, and what their errors may say.
package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// AllowFlag is the operator's flag that allows an address. Errors name it as the way out.
const AllowFlag = "allow-metric-address"

// connectTimeout bounds one attempt to connect.
const connectTimeout = 10 * time.Second

// AllowList says where sources may connect to. It decides about the IP address that a connection goes to, not only about
// the name: whoever owns a name can let it resolve to something else a moment later. It may be used by any number of goroutines.
type AllowList struct {
	rules   []rule
	servers atomic.Pointer[[]netip.AddrPort]
}

// rule allows a host, or all addresses within a prefix.
type rule struct {
	// host is a name in lower case; with *. in front it stands for all names below, alone for all names.
	host   string
	prefix netip.Prefix
	// port 0 is any.
	port uint16
}

// refused are addresses that nobody asks for a metric, and that give away what the controller may see.
var refused = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback addresses are the controller itself"},
	{netip.MustParsePrefix("::/96"), "loopback and unspecified addresses are the controller itself"},
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified addresses are the controller itself"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local addresses serve the metadata and credentials of clouds"},
	{netip.MustParsePrefix("fe80::/10"), "link-local addresses serve the metadata and credentials of clouds"},
	{netip.MustParsePrefix("fd00:ec2::/32"), "it serves the metadata and credentials of AWS"},
	{netip.MustParsePrefix("100.100.100.200/32"), "it serves the metadata and credentials of Alibaba Cloud"},
	{netip.MustParsePrefix("168.63.129.16/32"), "it serves the metadata and credentials of Azure"},
	{netip.MustParsePrefix("192.0.0.192/32"), "it serves the metadata and credentials of Oracle Cloud"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast addresses are no server"},
	{netip.MustParsePrefix("ff00::/8"), "multicast addresses are no server"},
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast addresses are no server"},
	{netip.MustParsePrefix("2002::/16"), "6to4 addresses hide an IPv4 address"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "translated addresses hide an IPv4 address"},
}

// nat64 is the well-known prefix whose last four bytes are an IPv4 address (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// ParseAllowList reads entries like prometheus.monitoring, prometheus.monitoring:9090, *.example.com, 192.0.2.7 and
// 10.0.0.0/8. Without entries everything is allowed but what is refused anyway: loopback, link-local, metadata services of clouds,
// and what Refuse names. An entry lifts such a refusal only if it lies within what is refused, as 127.0.0.1 does, so that
// a wide one doesn't open the metadata service by accident.
func ParseAllowList(entries []string) (*AllowList, error) {
	l := &AllowList{}
	for _, entry := range entries {
		r, err := parseRule(entry)
		if err != nil {
			return nil, err
		}
		l.rules = append(l.rules, r)
	}
	return l, nil
}

func parseRule(entry string) (rule, error) {
	wrong := fmt.Errorf("--%s is %q; write a host (prometheus.monitoring:9090), all hosts of a domain (*.example.com), an IP address (192.0.2.7) or a range of them (10.0.0.0/8)", AllowFlag, entry)
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		return rule{prefix: prefix.Masked()}, nil
	}
	host, port := entry, uint16(0)
	if h, p, err := net.SplitHostPort(entry); err == nil {
		number, err := netip.ParseAddrPort("[::]:" + p)
		if err != nil || number.Port() == 0 {
			return rule{}, wrong
		}
		host, port = h, number.Port()
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = plain(ip)
		return rule{prefix: netip.PrefixFrom(ip, ip.BitLen()), port: port}, nil
	}
	host = canonical(host)
	if name := strings.TrimPrefix(host, "*."); name == "" || strings.HasSuffix(entry, "*.") || host != "*" && strings.ContainsAny(name, "*:/@ ") {
		return rule{}, wrong
	}
	return rule{host: host, port: port}, nil
}

// Refuse replaces the servers that are refused beside the usual ones, such as the API server.
func (l *AllowList) Refuse(servers []netip.AddrPort) {
	l.servers.Store(&servers)
}

// Check says early what is sure to be refused later. It resolves nothing, so a nil error promises nothing.
func (l *AllowList) Check(address string) error {
	u, err := ParseAddress(address)
	if err != nil {
		return err
	}
	port := uint16(80)
	if u.Scheme == "https" {
		port = 443
	}
	if p, err := netip.ParseAddrPort("[::]:" + u.Port()); err == nil {
		port = p.Port()
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return l.permits(u.Hostname(), netip.AddrPortFrom(ip, port))
	}
	if len(l.rules) == 0 || l.named(canonical(u.Hostname()), port) || slices.ContainsFunc(l.rules, func(r rule) bool { return r.host == "" }) {
		return nil
	}
	return notListed(u.Hostname(), port)
}

// ParseAddress reads the URL of a server. Credentials within it are refused: they would be seen wherever the URL is.
func ParseAddress(address string) (*url.URL, error) {
	const wanted = "write it like http://prometheus.monitoring:9090"
	u, err := url.Parse(address)
	switch {
	case err != nil: // err quotes the address, and with it a password
		return nil, fmt.Errorf("it is not a URL; %s", wanted)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("it begins with %q rather than http:// or https://; %s", u.Scheme, wanted)
	case u.Hostname() == "":
		return nil, fmt.Errorf("it names no host; %s", wanted)
	case u.User != nil:
		return nil, fmt.Errorf("it holds credentials for %s; put them into a Secret and name it in authorization", u.Host)
	}
	return u, nil
}

// DialContext connects if the list allows the address that the name resolves to, and else fails with a *RefusedError.
func (l *AllowList) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	dialer := net.Dialer{Timeout: connectTimeout, ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(resolved)
		if err != nil {
			return fmt.Errorf("connect to %s: %w", resolved, err)
		}
		return l.permits(host, to)
	}}
	return dialer.DialContext(ctx, network, address)
}

// RefusedError says that an address is not one that sources may reach.
type RefusedError struct {
	// Address is the host and port.
	Address string
	why     string
}

func (e *RefusedError) Error() string { return e.why }

// permits decides about a connection to an address that a host resolved to.
func (l *AllowList) permits(host string, to netip.AddrPort) error {
	to = netip.AddrPortFrom(plain(to.Addr()), to.Port())
	name := host
	if ip, err := netip.ParseAddr(host); err != nil || plain(ip) != to.Addr() {
		name = fmt.Sprintf("%s (%s)", host, to.Addr())
	}
	refuse := func(why string) error {
		return &RefusedError{Address: to.String(), why: fmt.Sprintf("%s is refused: %s; if it is meant, an operator allows it with --%s=%s", name, why, AllowFlag, to.Addr())}
	}
	if servers := l.servers.Load(); servers != nil && slices.Contains(*servers, to) {
		if !l.addressed(to, to.Addr().BitLen()) {
			return refuse("it is the API server")
		}
		return nil
	}
	for _, r := range refused {
		if r.prefix.Contains(to.Addr()) {
			if !l.addressed(to, r.prefix.Bits()) {
				return refuse(r.why)
			}
			return nil
		}
	}
	if len(l.rules) == 0 || l.named(canonical(host), to.Port()) || l.addressed(to, 0) {
		return nil
	}
	return notListed(name, to.Port())
}

func notListed(host string, port uint16) error {
	return &RefusedError{Address: fmt.Sprintf("%s:%d", host, port),
		why: fmt.Sprintf("%s is not among the addresses that the operator allows; ask them to add it with --%s", host, AllowFlag)}
}

// named says whether a rule allows a host by its name.
func (l *AllowList) named(host string, port uint16) bool {
	return slices.ContainsFunc(l.rules, func(r rule) bool {
		if r.host == "" || r.port != 0 && r.port != port {
			return false
		}
		domain, all := strings.CutPrefix(r.host, "*")
		return r.host == host || all && strings.HasSuffix(host, domain)
	})
}

// addressed says whether a rule allows an address by itself, within a prefix of at least so many bits.
func (l *AllowList) addressed(to netip.AddrPort, bits int) bool {
	return slices.ContainsFunc(l.rules, func(r rule) bool {
		return r.host == "" && r.prefix.Bits() >= bits && r.prefix.Contains(to.Addr()) && (r.port == 0 || r.port == to.Port())
	})
}

func canonical(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// plain is the address that packets go to: without a zone, which no prefix contains, and the IPv4 address where it is written
// as an IPv6 one.
func plain(ip netip.Addr) netip.Addr {
	ip = ip.WithZone("").Unmap()
	if nat64.Contains(ip) {
		bytes := ip.As16()
		return netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return ip
}
