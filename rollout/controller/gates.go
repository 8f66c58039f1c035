package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// The defaults of gates.
const (
	defaultGateTimeout  = 10 * time.Second
	defaultGateInterval = 10 * time.Second
)

// resolveGates reads who is asked before a release goes on. A gate that can't be asked holds one that is under way, whereas
// leaving it out would let it go on without an answer.
func (r *resolved) resolveGates(queries Queries, w *world) {
	for i, g := range w.object.Spec.Gates {
		gate := rollout.Gate{
			Name: g.Name, At: rollout.Occasion(g.At), OnDeadline: rollout.Hold,
			Timeout: durationOr(g.Timeout, defaultGateTimeout), Interval: durationOr(g.Interval, defaultGateInterval),
			Deadline: durationOr(g.Deadline, r.spec.ProgressDeadline),
		}
		if g.OnDeadline != "" {
			gate.OnDeadline = rollout.Default(g.OnDeadline)
		}
		var err error
		if gate.Source, err = queries.gate(g, w.object); err != nil {
			text := fmt.Sprintf("spec.gates[%d] (%s): %v", i, g.Name, err)
			r.problem(reasonInvalidGate, "%s", text)
			gate.Source = refusal(text)
		}
		r.spec.Gates = append(r.spec.Gates, gate)
	}
}

// gate makes who is asked.
func (q Queries) gate(g v1alpha1.Gate, of *v1alpha1.Rollout) (analysis.Source, error) {
	p := v1alpha1.MetricProvider{Web: &v1alpha1.WebProvider{URL: g.Web.URL, Connection: g.Web.Connection}}
	if q.Providers.Check == nil {
		return nil, errors.New("the engine was started without providers, and can ask nobody")
	}
	if err := q.Providers.Check(p); err != nil {
		return nil, err
	}
	request := ProviderRequest{Namespace: of.Namespace, Name: of.Name, Provider: p, Gate: true}
	return &gateSource{providers: q.Providers, of: of.UID, request: request, metadata: g.Metadata}, nil
}

// gateSource tells a gate of which Rollout a call is, and names the call.
type gateSource struct {
	providers Providers
	of        types.UID
	request   ProviderRequest
	metadata  map[string]string
}

// told is the document that a gate gets.
type told struct {
	// ID is the same for every call of this gate at this step of this run, whoever makes it.
	ID        string `json:"id"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	rollout.GateCall
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Query implements analysis.Source.
func (s *gateSource) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	to := told{Namespace: s.request.Namespace, Name: s.request.Name, Metadata: s.metadata}
	if err := json.Unmarshal([]byte(q.Text), &to.GateCall); err != nil {
		return analysis.Sample{}, fmt.Errorf("read the call: %w", err)
	}
	to.ID = fmt.Sprintf("%s/%d/%d/%s", s.of, to.Run, to.Step, to.Gate)
	text, err := json.Marshal(to)
	if err != nil {
		return analysis.Sample{}, fmt.Errorf("write the call: %w", err)
	}
	return s.providers.Query(ctx, s.request, analysis.Query{Text: string(text), ID: to.ID})
}

// readGate is what a gate said as the domain knows it.
func readGate(g v1alpha1.GateStatus) rollout.GateRecord {
	return rollout.GateRecord{Name: g.Name, Since: g.Since.Time, At: timeOf(g.AskedAt), Verdict: analysis.Verdict(g.Verdict), Message: g.Message, Waived: g.Waived}
}

// newGate is what to persist of it.
func newGate(r rollout.GateRecord) v1alpha1.GateStatus {
	return v1alpha1.GateStatus{Name: r.Name, Since: metav1.NewMicroTime(r.Since), AskedAt: microTime(r.At), Verdict: string(r.Verdict), Message: r.Message, Waived: r.Waived}
}
