package outbound

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What an error quotes at most of a query and of an answer, in characters. The query only tells questions apart: people read why
// a release waits at the end of the sentence, and have the whole query from rollout explain metric.
const (
	mostQuestion = 80
	mostText     = 300
)

// Server is who a source asks, as its errors say it.
type Server struct {
	// Kind is what it is, for example Prometheus; Address is where, without credentials.
	Kind, Address string
	// Secrets are kept out of errors.
	Secrets Secrets
	// Client sends the requests; nil stands for http.DefaultClient.
	Client *http.Client
}

// Secrets are texts that nobody may see.
type Secrets struct{ shapes []string }

// Hide makes Secrets of values. Each is hidden also where it is written as headers, URLs and JSON documents do.
func Hide(values ...string) Secrets {
	var s Secrets
	for _, value := range values {
		if strings.TrimSpace(value) == "" {
			continue
		}
		quoted, err := json.Marshal(value)
		if err != nil { // A string always marshals.
			quoted = []byte(`""`)
		}
		for _, shape := range []string{value, strings.TrimSpace(value), base64.StdEncoding.EncodeToString([]byte(value)),
			url.QueryEscape(value), url.PathEscape(value), strings.Trim(string(quoted), `"`), fmt.Sprintf("%q", value)} {
			if shape != "" {
				s.shapes = append(s.shapes, shape)
			}
		}
	}
	return s.sorted()
}

// sorted puts the longest first: a shape may be a part of another.
func (s Secrets) sorted() Secrets {
	slices.SortFunc(s.shapes, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return Secrets{slices.Compact(s.shapes)}
}

// And hides more values.
func (s Secrets) And(values ...string) Secrets {
	return Secrets{slices.Concat(s.shapes, Hide(values...).shapes)}.sorted()
}

// cutMark ends a text of which the rest was cut off.
const cutMark = "…"

// leastFragment is how many characters of a secret at the end of a cut text are no coincidence.
const leastFragment = 3

// In replaces the secrets in a text by ***, and what is left of one that was cut off.
func (s Secrets) In(text string) string {
	for _, shape := range s.shapes {
		text = strings.ReplaceAll(text, shape, "***")
	}
	parts := strings.Split(text, cutMark)
	for i := range parts[:len(parts)-1] {
		parts[i] = s.withoutFragment(parts[i])
	}
	return strings.Join(parts, cutMark)
}

// withoutFragment replaces the longest beginning of a secret that a text ends with.
func (s Secrets) withoutFragment(text string) string {
	longest := 0
	for _, shape := range s.shapes {
		for length := min(len(shape), len(text)); length >= max(leastFragment, longest+1); length-- {
			if strings.HasSuffix(text, shape[:length]) {
				longest = length
				break
			}
		}
	}
	if longest == 0 {
		return text
	}
	return text[:len(text)-longest] + "***"
}

// queryError keeps the cause for errors.Is but not its text, which may be long or show a credential.
type queryError struct {
	text  string
	cause error
}

func (e *queryError) Error() string { return e.text }
func (e *queryError) Unwrap() error { return e.cause }

// Failed is the error of a question, in one line. The text says why and is shortened; the cause is for errors.Is and
// isn't shown.
func (s Server) Failed(question string, cause error, text string) error {
	return &queryError{fmt.Sprintf("ask %s at %s for %s: %s", s.Kind, s.Address, s.short(question, mostQuestion), s.short(text, mostText)), cause}
}

func (s Server) short(text string, most int) string {
	runes := []rune(strings.Join(strings.Fields(s.Secrets.In(text)), " "))
	if len(runes) > most {
		return string(runes[:most]) + cutMark
	}
	return string(runes)
}

// Reason is an error of net/http without what repeats the method and the URL.
func Reason(err error) string {
	if transport, ok := errors.AsType[*url.Error](err); ok {
		return transport.Err.Error()
	}
	return err.Error()
}

// StatusError is an answer whose HTTP status is no success.
type StatusError struct {
	Status int
	// Body is what the server said, whole.
	Body string
}

func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), e.Body))
}

// JSON sends a request and decodes the answer into out. An answer that is no success is a *StatusError; one that isn't
// JSON, or more than one document, is an error too.
func (s Server) JSON(request *http.Request, out any) error {
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request) //nolint:gosec // Where it may lead is what the client's AllowList says.
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case len(body) > MaxAnswer:
		return ErrTooLarge
	case response.StatusCode < 200 || response.StatusCode > 299:
		return &StatusError{Status: response.StatusCode, Body: string(body)}
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("the answer isn't the expected JSON (%w): %s", err, body)
	}
	return nil
}
