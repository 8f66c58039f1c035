package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	// The scheme xds; where the control plane is says GRPC_XDS_BOOTSTRAP_CONFIG.
	_ "google.golang.org/grpc/xds"

	"github.com/rollout-dev/rollout/e2e/load"
)

// patience is how long a call may take. On a small machine that is busy an answer may come late; it is none that was lost.
const patience = 30 * time.Second

// call calls TARGET, such as xds:///shop.test.svc.cluster.local:9090, RATE times a second with the HEADERS, such as
// "x-tester=yes,x-country=ch", until ctx ends. It offers what it received to whoever follows it.
func call(ctx context.Context, getenv func(string) string) error {
	rate, err := strconv.Atoi(getenv("RATE"))
	if err != nil || rate < 1 {
		return fmt.Errorf("RATE is %q: want a number of calls per second, 1 or more", getenv("RATE"))
	}
	headers, err := readHeaders(getenv("HEADERS"))
	if err != nil {
		return err
	}
	target := getenv("TARGET")
	if target == "" {
		return errors.New("TARGET is empty: name what to call, for example xds:///shop.test.svc.cluster.local:9090")
	}
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		// Nothing must hide a call that fails, and Istio asks for retries unless it is told not to.
		grpc.WithDisableRetry())
	if err != nil {
		return fmt.Errorf("TARGET is %q: %w", target, err)
	}
	defer func() { _ = connection.Close() }()
	if err := awaitAnswer(ctx, connection); err != nil {
		return err
	}
	calls, err := load.Start(ctx, load.Options{Rate: rate, Timeout: patience, Send: func(ctx context.Context) load.Answer {
		return visit(metadata.NewOutgoingContext(ctx, headers), connection)
	}})
	if err != nil {
		return err
	}
	defer calls.Stop()
	return offer(ctx, calls.Handler())
}

// awaitAnswer waits until somebody answers: before that it is no failure if nobody does.
func awaitAnswer(ctx context.Context, connection *grpc.ClientConn) error {
	if err := connection.Invoke(ctx, "/"+service+"/"+method, &emptypb.Empty{}, &emptypb.Empty{}, grpc.WaitForReady(true)); err != nil {
		return fmt.Errorf("wait for the first answer: %w", err)
	}
	return nil
}

func readHeaders(text string) (metadata.MD, error) {
	headers := metadata.MD{}
	for pair := range strings.SplitSeq(text, ",") {
		if pair == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("HEADERS has %q: want name=value, and commas in between", pair)
		}
		headers.Append(name, value)
	}
	return headers, nil
}

// visit makes one call.
func visit(ctx context.Context, connection *grpc.ClientConn) load.Answer {
	var header metadata.MD
	err := invoke(ctx, connection, &header)
	for neverSent(err) && ctx.Err() == nil {
		<-time.After(pickerTime)
		err = invoke(ctx, connection, &header)
	}
	a := load.Answer{Version: first(header, versionHeader), Pod: first(header, podHeader), Err: err}
	if err == nil {
		a.Status = http.StatusOK
	}
	return a
}

func invoke(ctx context.Context, connection *grpc.ClientConn, header *metadata.MD) error {
	return connection.Invoke(ctx, "/"+service+"/"+method, &emptypb.Empty{}, &emptypb.Empty{}, grpc.Header(header))
}

// pickerTime is about what a client needs between taking over new routes and being able to follow them.
const pickerTime = 5 * time.Millisecond

// neverSent says whether a call failed because the client was just taking over new routes. grpc-go decides by the new ones which
// cluster a call goes to some moments before it knows that cluster, and after it has forgotten the ones that have gone. Nothing was
// sent then, and it is over in milliseconds; a route to a cluster that isn't there fails in another way.
func neverSent(err error) bool {
	return status.Code(err) == codes.Unavailable && strings.Contains(err.Error(), "unknown cluster selected for RPC")
}

func first(header metadata.MD, name string) string {
	if values := header.Get(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// offer serves HTTP until ctx ends.
func offer(ctx context.Context, handler http.Handler) error {
	server := &http.Server{Addr: webAddress, Handler: handler, ReadHeaderTimeout: headerTime}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", webAddress, err)
	case <-ctx.Done():
		return server.Close()
	}
}
