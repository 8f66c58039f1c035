package sources

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// vault reads the Secrets of a namespace, each once, and remembers what it gave out.
type vault struct {
	kube      kubernetes.Interface
	namespace string
	// arguments name what is read for {{args.NAME}}, by NAME.
	arguments map[string]v1alpha1.SecretKey
	read      map[string]map[string][]byte
	values    []string
	box       *lockbox
}

// value gives one key of a Secret, without the line break that editors and echo leave at its end.
func (v *vault) value(ctx context.Context, field string, ref v1alpha1.SecretKey) (string, error) {
	if ref.Argument != "" {
		named, there := v.arguments[ref.Argument]
		if !there {
			return "", fmt.Errorf("%s: there is no argument %s that comes from a Secret", field, ref.Argument)
		}
		field, ref = fmt.Sprintf("%s (the argument %s)", field, ref.Argument), named
	}
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

// text is one in which arguments may stand.
func (v *vault) text(ctx context.Context, field, text string) (string, error) {
	if len(v.arguments) == 0 || !strings.Contains(text, "{{") {
		return text, nil
	}
	compact, values := strings.ReplaceAll(text, " ", ""), map[string]string{}
	for name := range v.arguments {
		if !strings.Contains(compact, "{{args."+name+"}}") {
			continue
		}
		value, err := v.value(ctx, field, v1alpha1.SecretKey{Argument: name})
		if err != nil {
			return "", err
		}
		values["args."+name] = value
	}
	text, err := analysis.Expand(text, values)
	if err != nil {
		return "", fmt.Errorf("%s: %w", field, err)
	}
	return text, nil
}
