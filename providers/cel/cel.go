// Package cel evaluates the conditions of metrics, which are written in CEL (https://cel.dev), the language of Kubernetes' own
// validation rules.
package cel

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"

	"github.com/rollout-dev/rollout/analysis"
)

// maxCost bounds the work of one evaluation, in CEL's units; Kubernetes allows ten times as much for a whole object.
const maxCost = 1_000_000

// remembered bounds how many programs are kept. A program that was forgotten is compiled again.
const remembered = 4096

// Conditions compiles conditions and remembers them: the same few expressions are needed again at every pass. It is safe for
// concurrent use.
type Conditions struct {
	env *cel.Env

	mu    sync.Mutex
	known map[string]*condition // follows mu
}

// New prepares the language.
func New() (*Conditions, error) {
	env, err := cel.NewEnv(
		cel.Variable("result", cel.DynType),
		cel.Variable("labels", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("stable", cel.DynType),
		cel.Function("isNaN", cel.Overload("is_nan_dyn", []*cel.Type{cel.DynType}, cel.BoolType, cel.UnaryBinding(isNaN))),
		cel.Function("isInf", cel.Overload("is_inf_dyn", []*cel.Type{cel.DynType}, cel.BoolType, cel.UnaryBinding(isInf))),
		cel.Function("default", cel.Overload("default_dyn", []*cel.Type{cel.DynType, cel.DynType}, cel.DynType, cel.BinaryBinding(otherwise))),
		cel.CrossTypeNumericComparisons(true),
		ext.Strings(), ext.Math(), ext.Lists(),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	return &Conditions{env: env, known: map[string]*condition{}}, nil
}

// Compile reads an expression. An error says what is wrong with it, in one line.
func (c *Conditions) Compile(text string) (analysis.Condition, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.known[text]; known != nil {
		return known, nil
	}
	checked, issues := c.env.Compile(text)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%q is not understood: %s; it sees result, labels and stable", text, firstOf(issues))
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("%q gives a %s; a condition is true or false, for example result >= 0.99", text, t)
	}
	program, err := c.env.Program(checked, cel.CostLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("%q can't be carried out: %w", text, err)
	}
	if len(c.known) >= remembered {
		clear(c.known)
	}
	compiled := &condition{text: text, program: program, calls: callsOf(checked)}
	c.known[text] = compiled
	return compiled, nil
}

// firstOf is the first of several mistakes; the others mostly follow from it.
func firstOf(issues *cel.Issues) string {
	first := issues.Errors()[0]
	return strings.ReplaceAll(first.Message, "\n", " ")
}

// callsOf are the functions that an expression calls.
func callsOf(checked *cel.Ast) []string {
	var calls []string
	visitor := ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.CallKind {
			calls = append(calls, e.AsCall().FunctionName())
		}
	})
	ast.PostOrderVisit(checked.NativeRep().Expr(), visitor)
	return calls
}

// condition is one compiled expression.
type condition struct {
	text    string
	program cel.Program
	calls   []string
}

// Holds evaluates the expression.
func (c *condition) Holds(a analysis.Answer) (bool, error) {
	value, _, err := c.program.Eval(map[string]any{"result": a.Result, "labels": a.Labels, "stable": a.Baseline})
	if err != nil {
		return false, fmt.Errorf("%s%s", strings.ReplaceAll(err.Error(), "\n", " "), hint(err))
	}
	held, ok := value.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it gives a %s, neither true nor false", value.Type().TypeName())
	}
	return held, nil
}

// hint says what an error usually means.
func hint(err error) string {
	if strings.Contains(err.Error(), "no such overload") {
		return " (numbers are floating-point: write 100.0, not 100; with series: List result is a list)"
	}
	return ""
}

// Heeds says whether the expression looks for an oddity itself.
func (c *condition) Heeds(o analysis.Oddity) bool {
	functions := map[analysis.Oddity][]string{
		analysis.NotANumber: {"isNaN", "default"},
		analysis.Infinite:   {"isInf"},
		analysis.Nothing:    {"default"},
	}[o]
	return slices.ContainsFunc(functions, func(f string) bool { return slices.Contains(c.calls, f) })
}

// String is the expression.
func (c *condition) String() string { return c.text }

func isNaN(value ref.Val) ref.Val {
	number, ok := value.(types.Double)
	return types.Bool(ok && number != number)
}

func isInf(value ref.Val) ref.Val {
	number, ok := value.(types.Double)
	return types.Bool(ok && (number-number != 0) && number == number)
}

// otherwise takes the place of what is missing: of null, and of NaN, which stands for a ratio of nothing.
func otherwise(value, instead ref.Val) ref.Val {
	if value == types.NullValue || isNaN(value) == types.True {
		return instead
	}
	return value
}
