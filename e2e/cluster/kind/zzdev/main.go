package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/rollout-dev/rollout/e2e/cluster/kind"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	start := time.Now()
	var err error
	switch os.Args[1] {
	case "up":
		var st state.State
		st, err = kind.Up(ctx, state.Options{Name: os.Args[2], Tier: state.Kind, Nodes: 1, ScrapeInterval: time.Second}, os.Stdout)
		fmt.Printf("%+v\n", st.URLs)
	case "down":
		var st state.State
		st, err = state.Load(os.Args[2])
		if err == nil {
			if err = kind.Down(ctx, st, os.Stdout); err == nil {
				err = st.Remove()
			}
		}
	case "healthy":
		var st state.State
		st, err = state.Load(os.Args[2])
		if err == nil {
			err = kind.Healthy(ctx, st)
		}
	case "load":
		var st state.State
		st, err = state.Load(os.Args[2])
		if err == nil {
			err = kind.LoadImage(ctx, st, os.Args[3])
		}
	}
	fmt.Println(time.Since(start), err)
	if err != nil {
		os.Exit(1)
	}
}
