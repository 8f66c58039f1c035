// Package wire leads clients to an API server through the hands of a test, which decides what becomes of their calls.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ErrReset is what a client gets whose connection is cut.
var ErrReset = errors.New("the connection is cut")

// Reset stands for a status code: the connection is cut.
const Reset = -1

// Failures are the ways in which a call fails: status codes, or Reset.
func Failures() []int {
	return []int{Reset, http.StatusInternalServerError, http.StatusGatewayTimeout, http.StatusTooManyRequests, http.StatusConflict}
}

// Wire is a way to the API server.
type Wire struct {
	// Kubeconfig is the path of the file that leads a client through the wire, as an administrator.
	Kubeconfig string
	server     *httptest.Server
}

// Open opens a wire, with its kubeconfig in a folder. Calls go through what carry makes of the way to the API server.
func Open(dir string, config *rest.Config, carry func(upstream http.RoundTripper) http.RoundTripper) (*Wire, error) {
	host, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("read the API server's address: %w", err)
	}
	upstream, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect a wire: %w", err)
	}
	proxy := httputil.NewSingleHostReverseProxy(host)
	proxy.FlushInterval = -1
	proxy.Transport = carry(upstream)
	// What fails here fails for the client, too; a client that has died is behind most of it.
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	w := &Wire{Kubeconfig: filepath.Join(dir, "kubeconfig"), server: httptest.NewUnstartedServer(proxy)}
	w.server.Config.ErrorLog = proxy.ErrorLog
	w.server.Start()
	return w, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"wire": {Server: w.server.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"wire": {Cluster: "wire"}},
		CurrentContext: "wire",
	}, w.Kubeconfig)
}

// Close ends the wire; its clients have to be dead by then.
func (w *Wire) Close() {
	w.server.CloseClientConnections()
	w.server.Close()
}

// Fail is what a client gets instead of the API server's answer, in its words. code is one of Failures.
func Fail(r *http.Request, code int) (*http.Response, error) {
	if code == Reset {
		return nil, ErrReset
	}
	reasons := map[int]metav1.StatusReason{
		http.StatusInternalServerError: metav1.StatusReasonInternalError, http.StatusConflict: metav1.StatusReasonConflict,
		http.StatusTooManyRequests: metav1.StatusReasonTooManyRequests, http.StatusGatewayTimeout: metav1.StatusReasonTimeout,
	}
	text, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reasons[code], Message: "bad luck",
	})
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if code == http.StatusTooManyRequests {
		header.Set("Retry-After", "1")
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: header, Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)),
	}, nil
}
