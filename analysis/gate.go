package analysis

import "fmt"

// Permit is the Sample of a gate: Pass to go on, Fail never to, Inconclusive for not yet. The reason is for people.
func Permit(verdict Verdict, reason string) Sample {
	return Sample{Document: map[string]any{"verdict": string(verdict), "reason": reason}}
}

// judgePermission takes a gate at its word. Whatever is no clear word is an error, and so permits nothing.
func judgePermission(e Evidence) Judgement {
	answer, _ := e.Sample.Document.(map[string]any)
	verdict, _ := answer["verdict"].(string)
	reason, _ := answer["reason"].(string)
	if v := Verdict(verdict); v == Pass || v == Fail || v == Inconclusive {
		return Judgement{Verdict: v, Message: reason}
	}
	return Judgement{Verdict: Error, Message: fmt.Sprintf("the verdict %q is none of pass, fail and wait", verdict)}
}
