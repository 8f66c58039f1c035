package stage

import (
	"context"
	"fmt"
	"time"
)

const (
	// patience bounds every wait for something that takes seconds when all is well.
	patience = 3 * time.Minute
	// glance is how often it is looked whether it is there.
	glance = 200 * time.Millisecond
)

// Wait looks until look finds nothing missing, and fails with what it missed last when that takes longer than 3 minutes.
func Wait(ctx context.Context, what string, look func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	var missing error
	for {
		// Of a look that the end of the wait interrupts nothing can be learned.
		if now := look(ctx); now == nil {
			return nil
		} else if ctx.Err() == nil || missing == nil {
			missing = now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, context.Cause(ctx), missing)
		case <-ticker.C:
		}
	}
}
