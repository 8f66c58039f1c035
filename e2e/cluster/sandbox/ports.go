package sandbox

import (
	"context"
	"fmt"
	"net"
)

// ports are those of one sandbox on 127.0.0.1.
type ports struct{ etcd, etcdPeer, apiServer, prometheus, gateway int }

func reservePorts(ctx context.Context) (ports, error) {
	var p ports
	for _, port := range []*int{&p.etcd, &p.etcdPeer, &p.apiServer, &p.prometheus, &p.gateway} {
		var err error
		if *port, err = reservePort(ctx); err != nil {
			return ports{}, fmt.Errorf("reserve a port on 127.0.0.1: %w", err)
		}
	}
	return p, nil
}

// reservePort returns a free port that stays free for a minute, until its program listens on it. A connection that
// the listening side closes first leaves the port in TIME_WAIT: the kernel then gives it to nobody who asks for any
// port, while a program that names it (with SO_REUSEADDR, as all Go programs do) can listen on it. Merely closing the
// listener would let the next connection of any program on the machine take the port.
func reservePort(ctx context.Context) (port int, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	client, err := (&net.Dialer{}).DialContext(ctx, "tcp", listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer func() { _ = client.Close() }()
	server, err := listener.Accept()
	if err != nil {
		return 0, err
	}
	if err := server.Close(); err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, nil
}
