// Command meshapp is the sample application for a service mesh without sidecars, and a client of it: both speak gRPC, and the client
// learns from the mesh's control plane by xDS where its calls go. Started as "meshapp" it serves, and HTTP, too, for those outside of the
// mesh; as "meshapp client" it calls. It is a module of its own because xDS brings half of Envoy's API.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := serve
	if len(os.Args) > 1 && os.Args[1] == "client" {
		run = call
	}
	if err := run(ctx, os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "meshapp:", err)
		os.Exit(1)
	}
}
