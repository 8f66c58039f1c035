package sim
import ("testing"; "fmt")
func TestGuardsX(t *testing.T) {
	for m := range 16 {
		name := ""
		f := func(o *Options) {
			o.Alone, o.TwoLeaders = true, false
			g := &o.Guards
			g.Preconditions, g.LiveConfirm, g.OwnWrites, g.ConsistentRestart = m&1>0, m&2>0, m&4>0, m&8>0
			name = fmt.Sprintf("%+v", *g)
		}
		o := DefaultOptions()
		f(&o)
		bad, _ := run(o, 0, 3000)
		k := map[string]int{}
		for _, r := range bad { k[r.Violations[0].Invariant]++ }
		t.Log(name, len(bad), k); for i, r := range bad { if i < 0 { t.Log(r) } }
	}
}
func TestX1(t *testing.T) {
	o := DefaultOptions(); o.Guards.Expiry=false; o.TwoLeaders=false
	t.Log(Explain(4641, o, 22))
	o = DefaultOptions(); o.Guards.LiveConfirm=false; o.TwoLeaders=false; o.Alone=true
	t.Log(Explain(329, o, 22))
	t.Log(Explain(2661, o, 30))
}
