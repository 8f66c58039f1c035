//go:build e2e

package release

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/rollout-dev/rollout/e2e/load"
)

// connections are clients of the gateway's ports for connections, each request with a connection of its own.
func connections(s *shop) audience {
	plain := load.Options{URL: "http://" + s.gatewayPort("tcp"), Rate: planeRate, Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	secure := plain
	secure.URL, secure.Host = "https://"+s.gatewayPort("tls"), s.host()
	// The gateway goes by the name in the handshake. Whose certificate it shows is nobody's concern here.
	secure.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{ServerName: s.host(), InsecureSkipVerify: true}}
	return audience{everybody("of connections", s.send(plain)), everybody("of connections with TLS", s.send(secure))}
}

// certificate is one for a name, with its key, as a Secret has them.
func certificate(name string) (public, private string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		return "", "", fmt.Errorf("make a certificate for %s: %w", name, err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("write the key of %s: %w", name, err)
	}
	encode := func(kind string, content []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	return encode("CERTIFICATE", signed), encode("PRIVATE KEY", secret), nil
}
