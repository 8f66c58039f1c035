package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// MaxAnswer is how many bytes of an answer a source reads at most, after decompression.
const MaxAnswer = 1 << 20

// mostRedirects is how often a server may send a request elsewhere.
const mostRedirects = 5

// ErrTooLarge is what reading an answer ends with that is larger than MaxAnswer.
var ErrTooLarge = errors.New("the answer is larger than 1 MiB; ask for less")

// Transport connects where the list allows and nowhere else, redirects included, and reads answers up to MaxAnswer. It uses no
// proxy, which would connect in its stead. A nil config stands for the usual TLS.
func (l *AllowList) Transport(config *tls.Config) http.RoundTripper {
	return Bounded(&http.Transport{
		DialContext:            l.DialContext,
		TLSClientConfig:        config,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           16,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    connectTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	})
}

// Client follows few redirects.
func Client(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > mostRedirects {
			return fmt.Errorf("it redirects more than %d times", mostRedirects)
		}
		return nil
	}}
}

// Bounded reads no more than MaxAnswer of any answer.
func Bounded(next http.RoundTripper) http.RoundTripper { return bounded{next} }

type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: MaxAnswer}
	return response, nil
}

// CloseIdleConnections is what http.Client passes on.
func (b bounded) CloseIdleConnections() { closeIdle(b.next) }

func closeIdle(transport http.RoundTripper) {
	if c, ok := transport.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// Authorized lets add put credentials onto requests to one server. A request that was redirected to another one goes without:
// net/http would keep most headers.
func Authorized(next http.RoundTripper, server *url.URL, add func(*http.Request) error) http.RoundTripper {
	return &authorized{next: next, scheme: server.Scheme, host: server.Host, add: add}
}

type authorized struct {
	next         http.RoundTripper
	scheme, host string
	add          func(*http.Request) error
}

func (a *authorized) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Host == a.host && request.URL.Scheme == a.scheme {
		request = request.Clone(request.Context())
		if err := a.add(request); err != nil {
			if request.Body != nil {
				_ = request.Body.Close() // A RoundTripper closes it on errors too.
			}
			return nil, err
		}
	}
	return a.next.RoundTrip(request)
}

// CloseIdleConnections is what http.Client passes on.
func (a *authorized) CloseIdleConnections() { closeIdle(a.next) }
