// Package gate asks another system whether a release may go on.
package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/rollout-dev/rollout/analysis"
	"github.com/rollout-dev/rollout/analysis/outbound"
)

// IDHeader carries the ID of a question, as the draft of the IETF names it. A question that is repeated has the same one.
const IDHeader = "Idempotency-Key"

// mostReason bounds what is kept of a reason, in bytes: it becomes part of a status.
const mostReason = 300

// Source implements analysis.Source. It may be used by any number of goroutines.
type Source struct {
	url    string
	server outbound.Server
}

var _ analysis.Source = (*Source)(nil)

// New makes a source. It connects to nothing. No error shows the secrets, which the client sends.
func New(url string, client *http.Client, secrets ...string) (*Source, error) {
	u, err := outbound.ParseAddress(url)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	return &Source{url: url, server: outbound.Server{Kind: "gate", Address: u.Scheme + "://" + u.Host, Secrets: outbound.Hide(secrets...), Client: client}}, nil
}

// Query posts the Text, a JSON document, and gives an analysis.Permit. The verdict is that of a JSON answer {"verdict": "pass",
// "reason": "..."}; it may be pass, wait or fail. Without one 202 and 403 say wait, and any other success pass.
func (s *Source) Query(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	sample, err := s.ask(ctx, q)
	if err != nil {
		return analysis.Sample{}, s.server.Failed(q.ID, err, outbound.Reason(err))
	}
	return sample, nil
}

func (s *Source) ask(ctx context.Context, q analysis.Query) (analysis.Sample, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(q.Text))
	if err != nil {
		return analysis.Sample{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set(IDHeader, q.ID)
	response, err := s.server.Client.Do(request)
	if err != nil {
		return analysis.Sample{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, outbound.MaxAnswer+1))
	switch {
	case err != nil:
		return analysis.Sample{}, fmt.Errorf("read the answer: %w", err)
	case len(body) > outbound.MaxAnswer:
		return analysis.Sample{}, outbound.ErrTooLarge
	}
	return answered(response.StatusCode, body)
}

// answered is what an answer means. A document without a verdict says nothing, so the status does.
func answered(status int, body []byte) (analysis.Sample, error) {
	var said struct{ Verdict, Reason string }
	if json.Unmarshal(body, &said) != nil {
		said.Verdict, said.Reason = "", ""
	}
	reason := strings.ToValidUTF8(said.Reason[:min(len(said.Reason), mostReason)], "")
	closed := status == http.StatusForbidden
	switch {
	case !closed && (status < 200 || status > 299):
		return analysis.Sample{}, &outbound.StatusError{Status: status, Body: string(body)}
	case said.Verdict == "fail":
		return analysis.Permit(analysis.Fail, reason), nil
	case said.Verdict == "wait", said.Verdict == "" && (closed || status == http.StatusAccepted):
		return analysis.Permit(analysis.Inconclusive, reason), nil
	case said.Verdict != "pass" && said.Verdict != "":
		return analysis.Sample{}, fmt.Errorf("the verdict is %q, none of pass, wait and fail", said.Verdict)
	case closed:
		return analysis.Sample{}, errors.New("the verdict is pass, and the status 403 says no")
	}
	return analysis.Permit(analysis.Pass, reason), nil
}
