package state

import (
	"context"
	"io"
)

// Driver is what a tier offers to the command. The command holds the cluster's lock during Up and Down.
type Driver struct {
	// Up starts a cluster and returns when it can be used. It saves its State in the folder of New(options) before it
	// starts anything, and again whenever there is more to clean up. When it fails, it leaves everything as it is: the
	// command calls Down, and keeps the folder for its logs.
	Up func(ctx context.Context, options Options, progress io.Writer) (State, error)
	// Down ends everything the cluster has outside of its folder, wherever Up has stopped or was killed, and succeeds
	// when there is nothing left to end. The command removes the folder.
	Down func(ctx context.Context, s State, progress io.Writer) error
	// Healthy tells whether a cluster that was ready still is.
	Healthy func(ctx context.Context, s State) error
}
