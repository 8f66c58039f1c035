package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// library finds templates. The second result is false if there is no such template.
type library interface {
	template(namespace string, ref v1alpha1.TemplateReference) (v1alpha1.AnalysisTemplateSpec, bool)
}

// collected is an analysis together with everything that its templates add to it.
type collected struct {
	metrics []origin
	// args are those that there are, by name; needed are those of the templates, with where they are declared.
	args   map[string]v1alpha1.Argument
	needed map[string]string
	// missing are the templates that there are not, mistakes what else is wrong. Both are sentences.
	missing, mistakes []string
}

// origin is a metric and where it is written.
type origin struct {
	field  string
	metric v1alpha1.Metric
}

// collect puts an analysis together: its own metrics, those of the templates it names, and those of the templates that these
// name. Nothing takes another one's place silently: two metrics of one name, or two defaults of one argument, are mistakes.
func collect(shelf library, namespace, field string, a v1alpha1.Analysis) collected {
	c := collected{args: map[string]v1alpha1.Argument{}, needed: map[string]string{}}
	for i, metric := range a.Metrics {
		c.metrics = append(c.metrics, origin{fmt.Sprintf("%s.metrics[%d] (%s)", field, i, metric.Name), metric})
	}
	own := len(c.metrics)
	seen := map[v1alpha1.TemplateReference]bool{}
	for i, ref := range a.Templates {
		c.include(shelf, namespace, fmt.Sprintf("%s.templates[%d]", field, i), ref, seen)
	}
	c.override(field, a.Overrides, own)
	c.give(field, a.Args, len(a.Metrics) > 0)
	c.compare()
	return c
}

// include adds a template. One that is named more than once, also by way of itself, counts once.
func (c *collected) include(shelf library, namespace, field string, ref v1alpha1.TemplateReference, seen map[v1alpha1.TemplateReference]bool) {
	if seen[ref] {
		return
	}
	seen[ref] = true
	name := templateName(ref)
	spec, there := shelf.template(namespace, ref)
	if !there {
		where := ""
		if !ref.ClusterScope {
			where = fmt.Sprintf(" in namespace %s; create it, correct the name, or set clusterScope if you mean a ClusterAnalysisTemplate", namespace)
		} else {
			where = "; create it, or correct the name"
		}
		c.missing = append(c.missing, fmt.Sprintf("%s names %s, and there is none%s", field, name, where))
		return
	}
	for _, arg := range spec.Args {
		c.declare(name, arg)
	}
	for i, metric := range spec.Metrics {
		c.metrics = append(c.metrics, origin{fmt.Sprintf("%s.spec.metrics[%d] (%s)", name, i, metric.Name), metric})
	}
	for i, nested := range spec.Templates {
		c.include(shelf, namespace, fmt.Sprintf("%s.spec.templates[%d]", name, i), nested, seen)
	}
}

func templateName(ref v1alpha1.TemplateReference) string {
	kind := "AnalysisTemplate"
	if ref.ClusterScope {
		kind = "ClusterAnalysisTemplate"
	}
	return fmt.Sprintf("%s %q", kind, ref.Name)
}

// declare notes an argument of a template, with its default if it has one.
func (c *collected) declare(template string, arg v1alpha1.Argument) {
	other, declared := c.needed[arg.Name]
	if !declared {
		c.needed[arg.Name] = template
	}
	if arg.Value == nil && arg.ValueFrom == nil {
		return
	}
	before, defaulted := c.args[arg.Name]
	if defaulted && !sameArgument(before, arg) {
		c.mistakes = append(c.mistakes, fmt.Sprintf("the argument %s has one default in %s and another in %s; give it a value in args, or make them the same",
			arg.Name, other, template))
		return
	}
	c.args[arg.Name] = arg
}

func sameArgument(a, b v1alpha1.Argument) bool {
	if a.Value != nil && b.Value != nil {
		return *a.Value == *b.Value
	}
	return a.Value == nil && b.Value == nil && a.ValueFrom != nil && b.ValueFrom != nil && sameSource(*a.ValueFrom, *b.ValueFrom)
}

func sameSource(a, b v1alpha1.ValueFrom) bool {
	return a.PodTemplateHashValue == b.PodTemplateHashValue && same(a.FieldRef, b.FieldRef) && same(a.SecretKeyRef, b.SecretKeyRef)
}

func same[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// give takes the arguments of whoever uses the templates. own: there are metrics beside the templates that may use any of them.
func (c *collected) give(field string, args []v1alpha1.Argument, own bool) {
	c.mistakes = slices.DeleteFunc(c.mistakes, func(mistake string) bool {
		// A value that is given settles which of two defaults counts.
		return slices.ContainsFunc(args, func(arg v1alpha1.Argument) bool {
			return strings.HasPrefix(mistake, "the argument "+arg.Name+" has one default")
		})
	})
	for i, arg := range args {
		if _, needed := c.needed[arg.Name]; !needed && !own && len(c.missing) == 0 {
			c.mistakes = append(c.mistakes, fmt.Sprintf("%s.args[%d] is %s, which none of the templates knows; %s", field, i, arg.Name, knownArguments(c.needed)))
		}
		if arg.Value == nil && arg.ValueFrom == nil {
			c.mistakes = append(c.mistakes, fmt.Sprintf("%s.args[%d] (%s) has no value; give it value or valueFrom", field, i, arg.Name))
			continue
		}
		if secret(c.args[arg.Name]) && !secret(arg) {
			c.mistakes = append(c.mistakes, fmt.Sprintf("%s.args[%d] (%s) has a value that everybody sees, and %s takes it from a Secret; "+
				"leave it out, or give it valueFrom: {secretKeyRef: {name: SECRET, key: KEY}}", field, i, arg.Name, c.needed[arg.Name]))
			continue
		}
		c.args[arg.Name] = arg
	}
	for _, name := range slices.Sorted(maps.Keys(c.needed)) {
		if _, given := c.args[name]; !given {
			c.mistakes = append(c.mistakes, fmt.Sprintf("%s needs a value for the argument %s; add {name: %s, value: ...} to %s.args", c.needed[name], name, name, field))
		}
	}
}

// secret says whether an argument comes from a Secret.
func secret(arg v1alpha1.Argument) bool {
	return arg.ValueFrom != nil && arg.ValueFrom.SecretKeyRef != nil
}

func knownArguments(needed map[string]string) string {
	if len(needed) == 0 {
		return "they have no arguments"
	}
	return "known are " + strings.Join(slices.Sorted(maps.Keys(needed)), ", ")
}

// override changes metrics of templates; the first own metrics are nobody's to override.
func (c *collected) override(field string, overrides []v1alpha1.MetricOverride, own int) {
	for i, o := range overrides {
		found := false
		for j := own; j < len(c.metrics); j++ {
			if c.metrics[j].metric.Name == o.Name {
				c.metrics[j].metric, found = overridden(c.metrics[j].metric, o), true
			}
		}
		if !found && len(c.missing) == 0 {
			c.mistakes = append(c.mistakes, fmt.Sprintf("%s.overrides[%d] is about the metric %s, which none of the templates has; known are %s",
				field, i, o.Name, c.names(own)))
		}
	}
}

func (c *collected) names(from int) string {
	var names []string
	for _, m := range c.metrics[from:] {
		names = append(names, m.metric.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// overridden is a metric with other limits. A threshold takes the place of conditions too.
func overridden(m v1alpha1.Metric, o v1alpha1.MetricOverride) v1alpha1.Metric {
	if o.Threshold != nil {
		m.Threshold, m.SuccessCondition, m.FailureCondition = o.Threshold, "", ""
	}
	replace(&m.Interval, o.Interval)
	replace(&m.InitialDelay, o.InitialDelay)
	replace(&m.FailureLimit, o.FailureLimit)
	replace(&m.ConsecutiveFailureLimit, o.ConsecutiveFailureLimit)
	replace(&m.InconclusiveLimit, o.InconclusiveLimit)
	replace(&m.ConsecutiveErrorLimit, o.ConsecutiveErrorLimit)
	replace(&m.DryRun, o.DryRun)
	if o.Count != 0 {
		m.Count = o.Count
	}
	if o.NoData != "" {
		m.NoData = o.NoData
	}
	return m
}

func replace[T any](field **T, value *T) {
	if value != nil {
		*field = value
	}
}

// compare finds metrics of the same name.
func (c *collected) compare() {
	first := map[string]string{}
	for _, m := range c.metrics {
		if other, taken := first[m.metric.Name]; taken {
			c.mistakes = append(c.mistakes, fmt.Sprintf("the metric %s is in %s and in %s; give one of them another name, or leave one template out",
				m.metric.Name, other, m.field))
			continue
		}
		first[m.metric.Name] = m.field
	}
}
