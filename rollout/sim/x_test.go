package sim
import ("testing"; "flag")
var alone = flag.Bool("alone", false, "")
var noexp = flag.Bool("noexp", false, "")
func TestX1(t *testing.T) {
	o := DefaultOptions(); o.TwoLeaders=!*alone; o.Alone=*alone
	o.Guards.Expiry = !*noexp
	bad, _ := run(o, *from, *seeds)
	t.Log(len(bad))
	for i, r := range bad { if i < 4 { t.Log(r); t.Log(Explain(r.Seed, o, 32)) } }
}
