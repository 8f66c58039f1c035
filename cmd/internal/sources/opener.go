// Package sources makes the sources of metrics that name a provider: it reads their Secrets, connects them to the servers that
// the operator allows, and wires each to its package.
package sources

import (
	"context"
	"crypto/sha256"
	"encoding/json"
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
	// Secrets are what {{args.NAME}} stands for in credentials and headers, by NAME.
	Secrets map[string]v1alpha1.SecretKey
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
	v := &vault{kube: o.kube, namespace: r.Namespace, arguments: r.Secrets, box: &lockbox{}}
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
