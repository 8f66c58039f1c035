package sources

import (
	"maps"
	"sync"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

// lockbox holds what nobody may see of a source: its Secrets, and tokens that it was given for them.
type lockbox struct {
	mu     sync.Mutex
	hidden outbound.Secrets // follows mu
}

func (l *lockbox) add(values ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hidden = l.hidden.And(values...)
}

func (l *lockbox) secrets() outbound.Secrets {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hidden
}

// clean takes the secrets out of all texts of an answer: a server may send back what it was sent, and labels are shown.
func clean(s analysis.Sample, hidden outbound.Secrets) analysis.Sample {
	for i := range s.Series {
		s.Series[i].Labels = cleanLabels(s.Series[i].Labels, hidden)
	}
	for i := range s.Counts {
		s.Counts[i].Revision = hidden.In(s.Counts[i].Revision)
		s.Counts[i].Labels = cleanLabels(s.Counts[i].Labels, hidden)
	}
	s.Document = cleanDocument(s.Document, hidden)
	return s
}

func cleanLabels(labels map[string]string, hidden outbound.Secrets) map[string]string {
	labels = maps.Clone(labels)
	for name, value := range labels {
		labels[name] = hidden.In(value)
	}
	return labels
}

func cleanDocument(value any, hidden outbound.Secrets) any {
	switch v := value.(type) {
	case string:
		return hidden.In(v)
	case []any:
		for i := range v {
			v[i] = cleanDocument(v[i], hidden)
		}
	case map[string]any:
		for name := range v {
			v[name] = cleanDocument(v[name], hidden)
		}
	}
	return value
}
