// Package cache is the folder outside the checkout where built programs and the state of clusters live, and the locks
// that keep two commands from working on the same entry.
package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Variable names the environment variable that moves the cache somewhere else.
const Variable = "ROLLOUT_CACHE"

const lockPoll = 100 * time.Millisecond

// Dir returns the path of an entry of the cache: below $ROLLOUT_CACHE, or below "rollout" in the user's cache folder.
// It creates nothing.
func Dir(elem ...string) (string, error) {
	root := os.Getenv(Variable)
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a folder for the cache (set %s to name one): %w", Variable, err)
		}
		root = filepath.Join(user, "rollout")
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		return "", fmt.Errorf("resolve %s=%s: %w", Variable, root, err)
	}
	return filepath.Join(append([]string{absolute}, elem...)...), nil
}

// Lock takes the lock file at path, creating it when needed, and returns what releases it. While somebody else holds
// it Lock waits until ctx ends, and calls waiting once so that the user learns why nothing happens. The kernel drops
// the lock when its holder dies, so it never has to be cleaned up.
func Lock(ctx context.Context, path string, waiting func()) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("create the folder of lock %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock %s: %w", path, err)
	}
	if err := acquire(ctx, file, waiting); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for lock %s: %w", path, err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

func acquire(ctx context.Context, file *os.File, waiting func()) error {
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for announced := false; ; announced = true {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if !announced {
			waiting()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
