package sources

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/rollout-dev/rollout/analysis/outbound"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// tenantHeader is how Mimir, Cortex and Thanos learn whose metrics are asked for.
const tenantHeader = "X-Scope-OrgID"

// authorize puts credentials onto a request.
type authorize func(*http.Request) error

// connect makes the transport of a connection to one server. The parts it is made of: where it may go, what the server's
// certificate must be, and what a request carries.
func (o *Opener) connect(ctx context.Context, v *vault, field, address string, c v1alpha1.Connection, plain map[string]string) (http.RoundTripper, error) {
	u, err := outbound.ParseAddress(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	config, err := v.tls(ctx, field+".tls", c.TLS)
	if err != nil {
		return nil, err
	}
	headers, err := v.headers(ctx, field+".headers", c.Headers)
	if err != nil {
		return nil, err
	}
	for name, value := range plain {
		headers.Set(name, value)
	}
	transport := o.allow.Transport(config)
	prove, err := v.authorization(ctx, field+".authorization", c.Authorization, o.allow.Transport(nil))
	if err != nil {
		return nil, err
	}
	return outbound.Authorized(transport, u, func(request *http.Request) error {
		maps.Copy(request.Header, headers)
		if prove == nil {
			return nil
		}
		return prove(request) // Last: a signature is over the headers too.
	}), nil
}

func (v *vault) headers(ctx context.Context, field string, wanted []v1alpha1.Header) (http.Header, error) {
	headers := http.Header{}
	for _, h := range wanted {
		field := fmt.Sprintf("%s (%s)", field, h.Name)
		value, err := v.text(ctx, field, h.Value)
		if h.SecretKeyRef != nil {
			value, err = v.value(ctx, field, *h.SecretKeyRef)
		}
		if err != nil {
			return nil, err
		}
		headers.Set(h.Name, value)
	}
	return headers, nil
}

func (v *vault) tls(ctx context.Context, field string, wanted *v1alpha1.ConnectionTLS) (*tls.Config, error) {
	if wanted == nil {
		return nil, nil //nolint:nilnil // No config is the usual one.
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: wanted.ServerName, InsecureSkipVerify: wanted.InsecureSkipVerify} //nolint:gosec // The user asked for it in so many words.
	if wanted.CA != nil {
		pem, err := v.value(ctx, field+".ca", *wanted.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(pem)) {
			return nil, fmt.Errorf("%s.ca: key %q of Secret %s holds no certificate in PEM", field, wanted.CA.Key, wanted.CA.Name)
		}
	}
	certificate, err := v.optional(ctx, field+".certificate", wanted.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := v.optional(ctx, field+".key", wanted.Key)
	if err != nil || certificate == "" && key == "" {
		return config, err
	}
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		return nil, fmt.Errorf("%s: the certificate and the key don't belong together, or aren't PEM: %w", field, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// authorization makes what proves who asks; nil if nothing does. Tokens are fetched over the transport.
func (v *vault) authorization(ctx context.Context, field string, a *v1alpha1.Authorization, transport http.RoundTripper) (authorize, error) {
	switch {
	case a == nil:
		return nil, nil //nolint:nilnil // Nobody is to be authorized.
	case a.Bearer != nil:
		token, err := v.value(ctx, field+".bearer", *a.Bearer)
		return func(r *http.Request) error { r.Header.Set("Authorization", "Bearer "+token); return nil }, err
	case a.Basic != nil:
		user, err := v.value(ctx, field+".basic.username", a.Basic.Username)
		if err != nil {
			return nil, err
		}
		password, err := v.value(ctx, field+".basic.password", a.Basic.Password)
		if err != nil {
			return nil, err
		}
		return func(r *http.Request) error { r.SetBasicAuth(user, password); return nil }, nil
	case a.OAuth2 != nil:
		return v.oauth2(ctx, field+".oauth2", *a.OAuth2, transport)
	case a.SigV4 != nil:
		return v.sigV4(ctx, field+".sigV4", *a.SigV4)
	}
	return nil, fmt.Errorf("%s names none of bearer, basic, oauth2 and sigV4; write one", field)
}

// oauth2 gets a token whenever the last one has expired, within the context of the request that needs it.
func (v *vault) oauth2(ctx context.Context, field string, a v1alpha1.OAuth2Authorization, transport http.RoundTripper) (authorize, error) {
	id, err := v.value(ctx, field+".clientID", a.ClientID)
	if err != nil {
		return nil, err
	}
	secret, err := v.value(ctx, field+".clientSecret", a.ClientSecret)
	if err != nil {
		return nil, err
	}
	if _, err := outbound.ParseAddress(a.TokenURL); err != nil {
		return nil, fmt.Errorf("%s.tokenURL: %w", field, err)
	}
	config := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: a.TokenURL, Scopes: a.Scopes}
	client := outbound.Client(transport)
	last := make(chan *oauth2.Token, 1)
	last <- nil
	return func(request *http.Request) error {
		var token *oauth2.Token
		select {
		case token = <-last:
		case <-request.Context().Done():
			return request.Context().Err()
		}
		defer func() { last <- token }()
		if !token.Valid() {
			fetched, err := config.Token(context.WithValue(request.Context(), oauth2.HTTPClient, client))
			if err != nil {
				return fmt.Errorf("get a token from %s: %w", a.TokenURL, tokenError(err))
			}
			token = fetched
			v.box.add(token.AccessToken)
		}
		token.SetAuthHeader(request)
		return nil
	}, nil
}

// tokenError is a failure without the body of the answer, which may hold what was sent.
func tokenError(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return err
	}
	if answer.ErrorCode != "" {
		return fmt.Errorf("%s: %s", answer.ErrorCode, answer.ErrorDescription)
	}
	return errors.New(answer.Response.Status)
}

func (v *vault) keys(ctx context.Context, field string, k v1alpha1.AWSKeys) (aws.Credentials, error) {
	var keys aws.Credentials
	var err error
	if keys.AccessKeyID, err = v.value(ctx, field+".accessKeyID", k.AccessKeyID); err != nil {
		return keys, err
	}
	if keys.SecretAccessKey, err = v.value(ctx, field+".secretAccessKey", k.SecretAccessKey); err != nil {
		return keys, err
	}
	keys.SessionToken, err = v.optional(ctx, field+".sessionToken", k.SessionToken)
	return keys, err
}

// sigV4 signs with keys of the user. prometheus/sigv4 isn't used because it falls back to the identity of the process.
func (v *vault) sigV4(ctx context.Context, field string, a v1alpha1.SigV4Authorization) (authorize, error) {
	keys, err := v.keys(ctx, field+".keys", a.Keys)
	if err != nil {
		return nil, err
	}
	service := a.Service
	if service == "" {
		service = "aps"
	}
	sign := signer.NewSigner()
	return func(request *http.Request) error {
		hash, err := hashBody(request)
		if err != nil {
			return fmt.Errorf("sign the request: %w", err)
		}
		return sign.SignHTTP(request.Context(), keys, request, hash, service, a.Region, time.Now())
	}, nil
}

// hashBody reads the body and puts it back.
func hashBody(request *http.Request) (string, error) {
	var body []byte
	if request.Body != nil {
		var err error
		body, err = io.ReadAll(request.Body)
		if closed := request.Body.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return "", err
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

// closer closes the idle connections of transports.
func closer(transport http.RoundTripper) func() {
	return func() { (&http.Client{Transport: transport}).CloseIdleConnections() }
}
