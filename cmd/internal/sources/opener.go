// Package sources makes the sources of metrics that name a provider: it reads their Secrets, connects them to the servers that
// the operator allows, and wires each to its package.
package sources

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// fresh is how long an opened source is used before its Secrets are read again. A rotated Secret is in use after that.
const fresh = time.Minute

// mostOpen bounds the sources that are kept for their connections and tokens.
const mostOpen = 1024

// Opener opens sources. It may be used by any number of goroutines.
type Opener struct {
	kube  kubernetes.Interface
	allow *outbound.AllowList
	now   func() time.Time

	mu   sync.Mutex
	open map[[sha256.Size]byte]*opened // follows mu
}

type opened struct {
	source analysis.Source
	box    *lockbox
	// secrets are the ones it was made with.
	secrets [sha256.Size]byte
	read    time.Time
	close   func()
}

// NewOpener makes an Opener. The allow list is for the addresses that a namespace's user names.
func NewOpener(kube kubernetes.Interface, allow *outbound.AllowList) *Opener {
	return &Opener{kube: kube, allow: allow, now: time.Now, open: map[[sha256.Size]byte]*opened{}}
}

// Request says which source is wanted, and for whom.
type Request struct {
	Namespace string
	// Name is what Jobs are called after.
	Name string
	// Owner owns the Jobs.
	Owner    metav1.OwnerReference
	Provider v1alpha1.MetricProvider
	// Gate: the web server is asked for permission, not for a document.
	Gate bool
}

// Query opens the source, or takes one that is open, and asks it.
func (o *Opener) Query(ctx context.Context, r Request, q analysis.Query) (analysis.Sample, error) {
	from, err := o.opened(ctx, r)
	if err != nil {
		return analysis.Sample{}, err
	}
	sample, err := from.source.Query(ctx, q)
	hidden := from.box.secrets()
	if err != nil {
		return analysis.Sample{}, &hiddenError{hidden.In(err.Error()), err}
	}
	return clean(sample, hidden), nil
}

func (o *Opener) opened(ctx context.Context, r Request) (*opened, error) {
	key, err := keyOf(r)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	known := o.open[key]
	current := known != nil && o.now().Sub(known.read) < fresh
	o.mu.Unlock()
	if current {
		return known, nil
	}
	v := &vault{kube: o.kube, namespace: r.Namespace, box: &lockbox{}}
	made, err := o.make(ctx, v, r)
	if err != nil {
		return nil, &hiddenError{v.box.secrets().In(err.Error()), err}
	}
	made.box = v.box
	made.secrets, made.read = sha256.Sum256([]byte(strings.Join(v.values, "\x00"))), o.now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if known = o.open[key]; known != nil && known.secrets == made.secrets {
		known.read = made.read // Its connections and its token are worth keeping.
		return known, nil
	}
	if known != nil {
		known.close()
	}
	o.evict()
	o.open[key] = made
	return made, nil
}

// evict makes room for one more.
func (o *Opener) evict() {
	for key, old := range o.open {
		if len(o.open) < mostOpen && o.now().Sub(old.read) < 10*fresh {
			continue
		}
		old.close()
		delete(o.open, key)
	}
}

func keyOf(r Request) ([sha256.Size]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("compare provider: %w", err)
	}
	return sha256.Sum256(text), nil
}

// hiddenError is an error whose text shows no Secret.
type hiddenError struct {
	text  string
	cause error
}

func (e *hiddenError) Error() string { return e.text }
func (e *hiddenError) Unwrap() error { return e.cause }

// vault reads the Secrets of a namespace, each once, and remembers what it gave out.
type vault struct {
	kube      kubernetes.Interface
	namespace string
	read      map[string]map[string][]byte
	values    []string
	box       *lockbox
}

// value gives one key of a Secret, without the line break that editors and echo leave at its end.
func (v *vault) value(ctx context.Context, field string, ref v1alpha1.SecretKey) (string, error) {
	data, there := v.read[ref.Name]
	if !there {
		secret, err := v.kube.CoreV1().Secrets(v.namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("%s: read Secret %s/%s: %w", field, v.namespace, ref.Name, err)
		}
		if v.read == nil {
			v.read = map[string]map[string][]byte{}
		}
		data = secret.Data
		v.read[ref.Name] = data
	}
	bytes, there := data[ref.Key]
	if !there {
		return "", fmt.Errorf("%s: Secret %s/%s has no key %q; add it or name another", field, v.namespace, ref.Name, ref.Key)
	}
	text := strings.TrimRight(string(bytes), "\r\n")
	if text == "" {
		return "", fmt.Errorf("%s: key %q of Secret %s/%s is empty", field, ref.Key, v.namespace, ref.Name)
	}
	v.values = append(v.values, text)
	v.box.add(text)
	return text, nil
}

// optional is value, or nothing where nothing is named.
func (v *vault) optional(ctx context.Context, field string, ref *v1alpha1.SecretKey) (string, error) {
	if ref == nil {
		return "", nil
	}
	return v.value(ctx, field, *ref)
}

// Check says what is wrong with a provider that can be known without asking anybody. Errors name the field within it.
func (o *Opener) Check(p v1alpha1.MetricProvider) error {
	for _, named := range addresses(p) {
		if named.address == "" {
			continue
		}
		if err := o.allow.Check(named.address); err != nil {
			return fmt.Errorf("%s is %q: %w", named.field, shown(named.address), err)
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

// shown is an address without the credentials it may hold.
func shown(address string) string {
	if before, after, found := strings.Cut(address, "@"); found {
		scheme, _, _ := strings.Cut(before, "://")
		return scheme + "://***@" + after
	}
	return address
}

type namedAddress struct{ field, address string }

// addresses are all that a provider names.
func addresses(p v1alpha1.MetricProvider) []namedAddress {
	var all []namedAddress
	connection := func(field string, c v1alpha1.Connection) {
		if c.Authorization != nil && c.Authorization.OAuth2 != nil {
			all = append(all, namedAddress{field + ".authorization.oauth2.tokenURL", c.Authorization.OAuth2.TokenURL})
		}
	}
	switch {
	case p.Prometheus != nil:
		all = append(all, namedAddress{"prometheus.address", p.Prometheus.Address})
		connection("prometheus", p.Prometheus.Connection)
	case p.Web != nil:
		all = append(all, namedAddress{"web.url", p.Web.URL})
		connection("web", p.Web.Connection)
	case p.Graphite != nil:
		all = append(all, namedAddress{"graphite.address", p.Graphite.Address})
		connection("graphite", p.Graphite.Connection)
	case p.InfluxDB != nil:
		all = append(all, namedAddress{"influxdb.address", p.InfluxDB.Address})
	case p.Datadog != nil:
		all = append(all, namedAddress{"datadog.address", p.Datadog.Address})
	case p.NewRelic != nil:
		all = append(all, namedAddress{"newRelic.address", p.NewRelic.Address})
	case p.CloudWatch != nil:
		all = append(all, namedAddress{"cloudWatch.address", p.CloudWatch.Address})
	}
	return all
}
