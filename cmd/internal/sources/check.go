package sources

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollout-dev/rollout/providers/cloudwatch"
	"github.com/rollout-dev/rollout/providers/datadog"
	"github.com/rollout-dev/rollout/providers/newrelic"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// Check says what is wrong with a provider that can be known without asking anybody: what the schema would say if the CRD had
// room for it, and where it leads. Errors name the field within it.
func (o *Opener) Check(p v1alpha1.MetricProvider) error {
	for _, check := range []func(v1alpha1.MetricProvider) error{o.checkAddresses, checkTexts, checkChoices, checkSelectors} {
		if err := check(p); err != nil {
			return err
		}
	}
	if p.Job != nil {
		if _, err := jobSpec(*p.Job); err != nil {
			return err
		}
	}
	if p.Web != nil && strings.Contains(p.Web.Body, "{{window}}") {
		return errors.New("web.body holds {{window}}, which is known in web.url only")
	}
	return nil
}

// named is a value and the field that it stands in.
type named struct{ field, value string }

// checkTexts finds texts that are empty or that can't be what they should.
func checkTexts(p v1alpha1.MetricProvider) error {
	for _, text := range required(p) {
		if strings.TrimSpace(text.value) == "" {
			return fmt.Errorf("%s is empty; write what to ask for", text.field)
		}
	}
	if p.NewRelic != nil && p.NewRelic.AccountID < 1 {
		return fmt.Errorf("newRelic.accountID is %d; write the number of the account", p.NewRelic.AccountID)
	}
	if p.Web != nil && !slices.Contains([]string{"", "GET", "POST", "PUT"}, p.Web.Method) {
		return fmt.Errorf("web.method is %q; it must be GET, POST or PUT", p.Web.Method)
	}
	if p.CloudWatch != nil {
		if err := cloudwatch.CheckRegion(p.CloudWatch.Region); err != nil {
			return fmt.Errorf("cloudWatch.%w", err)
		}
	}
	return nil
}

// The names of headers, and those that the expressions of CloudWatch use. Regular expressions are never written to.
var (
	headers  = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
	queryIDs = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)
)

func required(p v1alpha1.MetricProvider) []named {
	switch {
	case p.Prometheus != nil:
		return []named{{"prometheus.query", p.Prometheus.Query}}
	case p.Datadog != nil:
		return []named{{"datadog.query", p.Datadog.Query}}
	case p.NewRelic != nil:
		return []named{{"newRelic.query", p.NewRelic.Query}}
	case p.InfluxDB != nil:
		return []named{{"influxdb.organization", p.InfluxDB.Organization}, {"influxdb.query", p.InfluxDB.Query}}
	case p.Graphite != nil:
		return []named{{"graphite.query", p.Graphite.Query}}
	case p.Kubernetes != nil && p.Kubernetes.External != nil:
		return []named{{"kubernetes.external.metric", p.Kubernetes.External.Metric}}
	case p.Kubernetes != nil && p.Kubernetes.Custom != nil:
		return []named{{"kubernetes.custom.metric", p.Kubernetes.Custom.Metric}, {"kubernetes.custom.resource", p.Kubernetes.Custom.Resource}}
	}
	return nil
}

// choice is one of several ways to say something.
type choice struct {
	field string
	there bool
}

// exactlyOne finds a choice that wasn't made, or made twice.
func exactlyOne(field string, choices ...choice) error {
	var all, given []string
	for _, c := range choices {
		all = append(all, c.field)
		if c.there {
			given = append(given, c.field)
		}
	}
	switch len(given) {
	case 0:
		return fmt.Errorf("%s holds none of %s; write one of them", field, strings.Join(all, ", "))
	case 1:
		return nil
	}
	return fmt.Errorf("%s holds %s; write one of them only", field, strings.Join(given, " and "))
}

func checkChoices(p v1alpha1.MetricProvider) error {
	switch {
	case p.Prometheus != nil:
		return checkConnection("prometheus", p.Prometheus.Connection)
	case p.Web != nil:
		return checkConnection("web", p.Web.Connection)
	case p.Graphite != nil:
		return checkConnection("graphite", p.Graphite.Connection)
	case p.CloudWatch != nil:
		return checkQueries(p.CloudWatch.Queries)
	case p.Kubernetes != nil:
		if err := exactlyOne("kubernetes", choice{"external", p.Kubernetes.External != nil}, choice{"custom", p.Kubernetes.Custom != nil}); err != nil {
			return err
		}
		if c := p.Kubernetes.Custom; c != nil {
			return exactlyOne("kubernetes.custom", choice{"name", c.Name != ""}, choice{"selector", c.Selector != nil})
		}
	}
	return nil
}

func checkConnection(field string, c v1alpha1.Connection) error {
	if a := c.Authorization; a != nil {
		if err := exactlyOne(field+".authorization", choice{"bearer", a.Bearer != nil}, choice{"basic", a.Basic != nil},
			choice{"oauth2", a.OAuth2 != nil}, choice{"sigV4", a.SigV4 != nil}); err != nil {
			return err
		}
	}
	for i, h := range c.Headers {
		at := fmt.Sprintf("%s.headers[%d]", field, i)
		if !headers.MatchString(h.Name) {
			return fmt.Errorf("%s.name is %q; write letters, digits and -", at, h.Name)
		}
		if err := exactlyOne(at, choice{"value", h.Value != ""}, choice{"secretKeyRef", h.SecretKeyRef != nil}); err != nil {
			return err
		}
	}
	if c.TLS != nil && (c.TLS.Certificate == nil) != (c.TLS.Key == nil) {
		return fmt.Errorf("%s.tls holds one of certificate and key; write both or none", field)
	}
	return nil
}

func checkQueries(queries []v1alpha1.CloudWatchQuery) error {
	if len(queries) == 0 {
		return errors.New("cloudWatch.queries is empty; write at least one")
	}
	for i, q := range queries {
		at := fmt.Sprintf("cloudWatch.queries[%d]", i)
		if !queryIDs.MatchString(q.ID) {
			return fmt.Errorf("%s.id is %q; begin with a small letter, and go on with letters, digits and _", at, q.ID)
		}
		if err := exactlyOne(at, choice{"expression", q.Expression != ""}, choice{"metric", q.Metric != nil}); err != nil {
			return err
		}
	}
	return nil
}

func checkSelectors(p v1alpha1.MetricProvider) error {
	if p.Kubernetes == nil {
		return nil
	}
	selectors := map[string]*metav1.LabelSelector{}
	if e := p.Kubernetes.External; e != nil {
		selectors["kubernetes.external.selector"] = e.Selector
	}
	if c := p.Kubernetes.Custom; c != nil {
		selectors["kubernetes.custom.selector"] = c.Selector
	}
	for field, selector := range selectors {
		if _, err := selectorOf(selector); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
	}
	return nil
}

func (o *Opener) checkAddresses(p v1alpha1.MetricProvider) error {
	for _, address := range addresses(p) {
		if err := o.allow.Check(address.value); err != nil {
			return fmt.Errorf("%s is %q: %w", address.field, shown(address.value), err)
		}
	}
	return nil
}

// shown is an address without the credentials it may hold.
func shown(address string) string {
	if before, after, found := strings.Cut(address, "@"); found {
		scheme, _, _ := strings.Cut(before, "://")
		return scheme + "://***@" + after
	}
	return address
}

// addresses are all that a provider names, and those that stand for none.
func addresses(p v1alpha1.MetricProvider) []named {
	var all []named
	connection := func(field string, c v1alpha1.Connection) {
		if c.Authorization != nil && c.Authorization.OAuth2 != nil {
			all = append(all, named{field + ".authorization.oauth2.tokenURL", c.Authorization.OAuth2.TokenURL})
		}
	}
	switch {
	case p.Prometheus != nil:
		all = append(all, named{"prometheus.address", p.Prometheus.Address})
		connection("prometheus", p.Prometheus.Connection)
	case p.Web != nil:
		all = append(all, named{"web.url", p.Web.URL})
		connection("web", p.Web.Connection)
	case p.Graphite != nil:
		all = append(all, named{"graphite.address", p.Graphite.Address})
		connection("graphite", p.Graphite.Connection)
	case p.InfluxDB != nil:
		all = append(all, named{"influxdb.address", p.InfluxDB.Address})
	case p.Datadog != nil:
		all = append(all, named{"datadog.address", cmp.Or(p.Datadog.Address, datadog.DefaultAddress)})
	case p.NewRelic != nil:
		all = append(all, named{"newRelic.address", cmp.Or(p.NewRelic.Address, newrelic.DefaultAddress)})
	case p.CloudWatch != nil && p.CloudWatch.Address != "":
		all = append(all, named{"cloudWatch.address", p.CloudWatch.Address})
	}
	return all
}
