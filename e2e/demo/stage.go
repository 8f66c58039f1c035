package main

import "context"

// stage is what differs between the tiers: where the engine runs, what the application is and who its clients are.
type stage interface {
	// install puts the engine and the application's image where they can run.
	install(ctx context.Context) error
	// image is the application's.
	image() string
	// settle is how long the gateway may need to follow, in seconds.
	settle() int
	// clients are those of the application.
	clients() clients
	// broken is closed when the engine has ended although nobody stopped it; nil if somebody else looks after it.
	broken() <-chan struct{}
	// log is the end of what the engine logged.
	log(ctx context.Context) string
	// close ends what install started outside of the cluster.
	close() error
}

func stageOf(c *cluster, programs, dir string) stage {
	if c.tier == kindTier {
		return &kindStage{cluster: c, dir: dir}
	}
	return &sandboxStage{cluster: c, programs: programs, dir: dir}
}
