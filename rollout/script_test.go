package rollout_test

import (
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/rollout"
	"github.com/rollout-dev/rollout/rollout/sim"
	"github.com/rollout-dev/rollout/traffic"
)

// do carries out one command.
//
//	rollout stable=v1 replicas=4 steps=20%,pause:30s,50%,pause metric=success-rate>=99%   a Rollout; see settings
//	revision v2 startup=5s success-rate=0.4      what v2 is like: its pods, and what its metrics measure
//	rollout stable=v1 wiring=selector            blue-green; also wiring=pods, routes, subsets, ping-pong, preview
//	push v2                                      the user applies another template
//	run 30s                                      time passes
//	run until waiting for rollout promote        time passes, at most an hour, until the status says so
//	request abort, request promote v2 step 1     a person asks, by default for what is under way
//	set replicas=6, set paused=true              the user changes the spec
//	gitops weight 50, gitops deletes the route   somebody else changes the route; weights come without managed routes
//	gitops rules testers, gitops rules           somebody else puts managed routes there, or takes them out
//	service stable v2, service canary deleted    somebody else changes a Service
//	metrics error, no data, NaN, infinite, several, few, lying, ok   the metric source
//	metrics stable error, stable no data, stable NaN, stable infinite   only what it answers about stable, to compare with
//	received 12                                  what is measured of the split, in percent
//	gate window waits, refuses, unreachable, opens   what a gate answers; it opens unless it is told otherwise
//	crash v2 20s                                 a pod restarts
func (s *script) do(command string) {
	words := strings.Fields(command)
	verb, rest := words[0], words[1:]
	switch verb {
	case "rollout":
		s.start(rest)
	case "revision":
		s.revision(rest)
	case "push":
		s.cluster.Edit(func(spec *rollout.Spec) { spec.Target = rest[0] })
	case "run":
		s.run(rest)
	case "request":
		s.request(rest)
	case "set":
		s.cluster.Edit(func(spec *rollout.Spec) { s.set(spec, rest) })
	case "gitops":
		s.gitops(rest)
	case "service":
		s.service(rest)
	default:
		s.surround(verb, rest)
	}
}

// surround carries out a command about what answers the engine.
func (s *script) surround(verb string, rest []string) {
	switch verb {
	case "metrics":
		outages := map[string]sim.Outage{"ok": "", "error": sim.Down, "no data": sim.Silent, "NaN": sim.NaN, "infinite": sim.Infinite,
			"several": sim.Torn, "few": sim.Few, "lying": sim.Lying, "stable error": sim.StableDown, "stable no data": sim.StableSilent,
			"stable NaN": sim.StableNaN, "stable infinite": sim.StableInfinite}
		outage, known := outages[strings.Join(rest, " ")]
		require.True(s.t, known, "there is no such outage")
		s.cluster.SetOutage(outage)
	case "received":
		s.cluster.SetReceived(float64(s.number(rest[0])))
	case "gate":
		reply, known := map[string]sim.Reply{"opens": "", "waits": sim.Waits, "refuses": sim.Refuses, "unreachable": sim.Unreachable}[rest[1]]
		require.True(s.t, known, "no gate "+rest[1])
		s.cluster.SetReply(rest[0], reply)
	case "crash":
		s.cluster.Crash(rest[0], s.duration(rest[1]))
	default:
		require.Fail(s.t, "there is no command "+verb)
	}
}

// start makes the cluster.
func (s *script) start(words []string) {
	settings := sim.Settings{Installed: true, Routes: 1, Guards: sim.AllGuards(), Trace: s.trace, Spec: rollout.Spec{
		Replicas: 4, MaxSurge: 1, MaxUnavailable: 1, Wiring: wiring("routes"), HistoryLimit: 2,
		Settle: 3 * time.Second, Drain: 10 * time.Second,
		ProgressDeadline: 2 * time.Minute, AbortScaleDownDelay: 30 * time.Second,
	}}
	var spec []string
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "stable":
			settings.Spec.Target = value
		case "new":
			settings.Spec.Target, settings.Installed = value, false
		case "routes":
			settings.Routes = s.number(value)
		default:
			spec = append(spec, word)
		}
	}
	s.set(&settings.Spec, spec)
	s.said = map[string]string{}
	s.cluster = sim.New(settings)
}

// set changes fields of the spec.
func (s *script) set(spec *rollout.Spec, words []string) {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		set := s.fields(spec, value)[name]
		require.NotNil(s.t, set, "there is no field "+name)
		set()
	}
}

// fields says what to do with a value for each field.
func (s *script) fields(spec *rollout.Spec, value string) map[string]func() {
	return map[string]func(){
		"replicas":         func() { spec.Replicas = s.number(value) },
		"surge":            func() { spec.MaxSurge = s.number(value) },
		"unavailable":      func() { spec.MaxUnavailable = s.number(value) },
		"wiring":           func() { spec.Wiring = wiring(value) },
		"dynamic-stable":   func() { spec.DynamicStable = value == "true" },
		"min-pods":         func() { spec.MinPods = s.number(value) },
		"preview-replicas": func() { spec.PreviewReplicas = s.number(value) },
		"scale-down-delay": func() { spec.ScaleDownDelay = s.duration(value) },
		"rollback-window":  func() { spec.RollbackWindow = s.number(value) },
		"restart-at":       func() { spec.RestartAt = s.cluster.Now().Add(s.duration(value)) },
		"look":             func() { spec.StableLook, spec.CanaryLook, _ = strings.Cut(value, "/") },
		"paused":           func() { spec.Paused = value == "true" },
		"affinity":         func() { spec.Affinity = &traffic.Affinity{Cookie: value, TTL: time.Hour} },
		"tolerance":        func() { spec.Tolerance = s.number(value) },
		"steps":            func() { spec.Steps = s.steps(value) },
		"metric":           func() { spec.Metrics = append(spec.Metrics, s.metric(value)) },
		"metrics-from":     func() { spec.MetricsFrom = s.number(value) },
		"bake":             func() { spec.Bake = s.duration(value) },
		"gate":             func() { spec.Gates = append(spec.Gates, s.gate(value)) },
		"post-metric":      func() { spec.PostMetrics = append(spec.PostMetrics, s.metric(value)) },
	}
}

// gate reads for example window@BeforeIncrease;deadline:1m;Continue. It is asked every ten seconds.
func (s *script) gate(text string) rollout.Gate {
	text, options, _ := strings.Cut(text, ";")
	name, at, _ := strings.Cut(text, "@")
	g := rollout.Gate{Name: name, At: rollout.Occasion(at), Interval: 10 * time.Second, Deadline: 2 * time.Minute, OnDeadline: rollout.Hold}
	for option := range strings.SplitSeq(options, ";") {
		if deadline, is := strings.CutPrefix(option, "deadline:"); is {
			g.Deadline = s.duration(deadline)
		} else if option != "" {
			g.OnDeadline = rollout.Default(option)
		}
	}
	return g
}

func (s *script) steps(text string) []rollout.Step {
	var steps []rollout.Step
	for word := range strings.SplitSeq(text, ",") {
		kind, value, _ := strings.Cut(word, ":")
		switch {
		case kind == "pods":
			pods := -1
			if value != "matching" {
				pods = s.number(value)
			}
			steps = append(steps, rollout.Step{Kind: rollout.SetScale, Pods: pods})
		case kind == "header", kind == "mirror":
			steps = append(steps, ruleStep(kind, value))
		case kind == "judge":
			steps = append(steps, rollout.Step{Kind: rollout.Judge, Metrics: []analysis.Metric{s.metric(value)}})
		case kind != "pause":
			steps = append(steps, rollout.Step{Kind: rollout.SetWeight, Weight: s.number(strings.TrimSuffix(word, "%"))})
		case value == "":
			steps = append(steps, rollout.Step{Kind: rollout.Pause})
		default:
			steps = append(steps, rollout.Step{Kind: rollout.Pause, Duration: s.duration(value)})
		}
	}
	return steps
}

// ruleStep reads for example header:testers, mirror:shadow, or header:-testers to remove it.
func ruleStep(kind, name string) rollout.Step {
	step := rollout.Step{Kind: rollout.SetRule}
	step.Rule.Name, step.Remove = strings.CutPrefix(name, "-")
	if kind == "mirror" {
		step.Rule.Mirror = 100
	}
	return step
}

// metric reads for example success-rate>99%;count:3;dry. It is measured every ten seconds.
func (s *script) metric(text string) analysis.Metric {
	text, options, _ := strings.Cut(text, ";")
	name, low, _ := strings.Cut(text, ">")
	high := ""
	if low == "" {
		name, high, _ = strings.Cut(text, "<")
	}
	threshold, err := analysis.ParseThreshold(low, high)
	require.NoError(s.t, err)
	m := analysis.Metric{Name: name, Threshold: threshold, Interval: 10 * time.Second, Window: time.Minute}
	if options == "" {
		return m
	}
	for option := range strings.SplitSeq(options, ";") {
		s.option(&m, option)
	}
	return m
}

func (s *script) option(m *analysis.Metric, text string) {
	name, value, _ := strings.Cut(text, ":")
	l := &m.Limits
	set := map[string]func(){
		"dry":          func() { m.DryRun = true },
		"delay":        func() { m.InitialDelay = s.duration(value) },
		"count":        func() { m.Count = s.number(value) },
		"requests":     func() { m.MinRequests = float64(s.number(value)) },
		"failures":     func() { l.Failures = s.number(value) },
		"failing":      func() { l.ConsecutiveFailures = new(s.number(value)) },
		"inconclusive": func() { l.Inconclusive = new(s.number(value)) },
		"errors":       func() { l.ConsecutiveErrors = new(s.number(value)) },
		"no-data":      func() { l.NoData = analysis.NoDataPolicy(value) },
		"against":      func() { m.Baseline = &analysis.Baseline{By: analysis.Comparison(value)} },
		"bad-below":    func() { m.Success, m.Failure = atLeast(*m.Threshold.Min), below(s.fraction(value)) },
	}[name]
	require.NotNil(s.t, set, "a metric has no option "+name)
	set()
}

func (s *script) revision(words []string) {
	q := sim.Quality{Values: map[string]float64{}}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case name == "startup" && value == "never":
			q.Startup = -1
		case name == "startup":
			q.Startup = s.duration(value)
		default:
			q.Values[name] = s.fraction(value)
		}
	}
	s.cluster.SetQuality(words[0], q)
}

func (s *script) run(words []string) {
	if words[0] != "until" {
		s.cluster.Run(s.duration(words[0]), func() bool { return false })
		return
	}
	wanted := strings.Join(words[1:], " ")
	arrived := s.cluster.Run(time.Hour, func() bool { return strings.Contains(s.cluster.Report().Message, wanted) })
	require.True(s.t, arrived, "after an hour the status still says %q, not %q", s.cluster.Report().Message, wanted)
}

// request asks for what is under way, unless it says for what.
func (s *script) request(words []string) {
	status := s.cluster.Status()
	r := rollout.Request{ID: s.cluster.Now().String(), Verb: rollout.Verb(words[0]), Revision: status.Stable}
	if release := status.Release; release != nil {
		r.Revision, r.Step = release.Revision, release.Step
	}
	if len(words) > 1 {
		r.Revision = words[1]
	}
	if r.Verb == rollout.Undo {
		// The two are written together.
		s.cluster.Edit(func(spec *rollout.Spec) { spec.Target = r.Revision })
	}
	if len(words) > 3 {
		r.Step = s.number(words[3]) - 1
	}
	s.cluster.Ask(r)
}

func (s *script) gitops(words []string) {
	switch words[0] {
	case "weight":
		s.cluster.EditRoute(0, s.number(words[1]))
	case "rules":
		s.cluster.EditRules(0, strings.Join(words[1:], ","))
	default:
		s.cluster.EditRoute(0, -1)
	}
}

func (s *script) service(words []string) {
	role := rollout.Role(words[0])
	if words[1] == "deleted" {
		s.cluster.DeleteService(role)
		return
	}
	s.cluster.EditService(role, words[1])
}

// wiring is what carries the traffic, by a word.
func wiring(word string) rollout.Wiring {
	return map[string]rollout.Wiring{
		"routes":    {Mode: rollout.ByRoutes, Stable: "app-stable", Canary: "app-canary"},
		"ping-pong": {Mode: rollout.ByRoutes, Stable: "app-stable", Canary: "app-canary", Alternate: true},
		"subsets":   {Mode: rollout.ByRoutes, Stable: "app-stable", Canary: "app-canary", SubsetsOf: "app"},
		"pods":      {Mode: rollout.ByPods},
		"selector":  {Mode: rollout.BySelector, Stable: "app-active"},
		"preview":   {Mode: rollout.BySelector, Stable: "app-active", Canary: "app-preview"},
	}[word]
}

func (s *script) fraction(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	require.NoError(s.t, err)
	return f
}

func (s *script) number(text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(s.t, err)
	return n
}

func (s *script) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	require.NoError(s.t, err)
	return d
}
