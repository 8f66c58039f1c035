package istio

import (
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	// The one of the standard library takes "Weight" for "weight".
	casejson "k8s.io/apimachinery/pkg/util/json"

	"github.com/rollout-dev/rollout/traffic"
)

// virtualService is what a split needs of one.
type virtualService struct {
	namespace       string
	uid             types.UID
	resourceVersion string
	// delegate: it has no hosts, so another VirtualService delegates to it.
	delegate bool
	rules    []rule
}

// The lists of rules, as fields of the spec.
const (
	httpList = "http"
	tlsList  = "tls"
	tcpList  = "tcp"
)

// rule is one entry of such a list.
type rule struct {
	list  string
	index int
	// raw is the whole rule, as it was read.
	raw json.RawMessage

	Name  string  `json:"name"`
	Match []match `json:"match"`
	Route []route `json:"route"`
}

// match is what selects tls and tcp rules.
type match struct {
	Port     int      `json:"port"`
	SNIHosts []string `json:"sniHosts"`
}

// route is a destination and its weight. A weight that isn't spelled out is 0, unless the destination is the only one.
type route struct {
	Destination destination `json:"destination"`
	Weight      *int        `json:"weight"`
}

type destination struct {
	Host   string `json:"host"`
	Subset string `json:"subset"`
}

// parse reads a VirtualService.
func parse(o *Object) (virtualService, error) {
	v := virtualService{namespace: o.Namespace, uid: o.UID, resourceVersion: o.ResourceVersion}
	var spec struct {
		Hosts []string          `json:"hosts"`
		HTTP  []json.RawMessage `json:"http"`
		TLS   []json.RawMessage `json:"tls"`
		TCP   []json.RawMessage `json:"tcp"`
	}
	if len(o.Spec) > 0 {
		if err := casejson.Unmarshal(o.Spec, &spec); err != nil {
			return v, fmt.Errorf("read spec: %w", err)
		}
	}
	v.delegate = len(spec.Hosts) == 0
	for _, list := range []struct {
		name  string
		rules []json.RawMessage
	}{{httpList, spec.HTTP}, {tlsList, spec.TLS}, {tcpList, spec.TCP}} {
		for i, raw := range list.rules {
			r := rule{list: list.name, index: i, raw: raw}
			if err := casejson.Unmarshal(raw, &r); err != nil {
				return v, fmt.Errorf("read %s: %w", r.field(), err)
			}
			v.rules = append(v.rules, r)
		}
	}
	return v, nil
}

// field is for example "spec.http[0]".
func (r rule) field() string { return fmt.Sprintf("spec.%s[%d]", r.list, r.index) }

// path is for example "/spec/http/0".
func (r rule) path() string { return fmt.Sprintf("/spec/%s/%d", r.list, r.index) }

// selected says whether one entry of the selection describes the rule.
func (r rule) selected(by traffic.Selection) bool {
	switch r.list {
	case httpList:
		return r.Name != "" && slices.Contains(by.HTTP, r.Name)
	case tlsList:
		return slices.ContainsFunc(by.TLS, r.hasTLS)
	default:
		return slices.ContainsFunc(by.TCP, r.hasPort)
	}
}

func (r rule) hasTLS(wanted traffic.TLSMatch) bool {
	return slices.ContainsFunc(r.Match, func(m match) bool {
		return (wanted.Port == 0 || m.Port == wanted.Port) && (len(wanted.SNIHosts) == 0 || sameSet(m.SNIHosts, wanted.SNIHosts))
	})
}

func (r rule) hasPort(port int) bool {
	return slices.ContainsFunc(r.Match, func(m match) bool { return m.Port == port })
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
