package parts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollout-dev/rollout/e2e/cluster/heartbeat"
)

// beat is how often a long build says that it is still alive.
const beat = 15 * time.Second

// job is one program to be compiled.
type job struct {
	part
	version string
	// module is the folder the Go command runs in, target the file that comes out.
	module, target string
}

// compile builds under a temporary name and renames, so that the target is either whole or absent.
func compile(ctx context.Context, progress io.Writer, j job) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errNoGo
	}
	if err := os.MkdirAll(filepath.Dir(j.target), 0o750); err != nil {
		return fmt.Errorf("create its folder in the cache: %w", err)
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(progress, format+"\n", args...) }
	say("building %s %s: about %s the first time, kept in %s", j.contents, j.version, j.patience, filepath.Dir(j.target))

	start := time.Now()
	out := &output{}
	stop := heartbeat.Every(beat, func() { say("  %s: %s, %s", j.contents, time.Since(start).Round(time.Second), out.progress()) })
	defer stop()

	temporary := j.target + ".new"
	args := []string{"build", "-v", "-buildvcs=false", "-trimpath", "-ldflags", j.linkerFlags(j.version), "-o", temporary}
	if j.tags != "" {
		args = append(args, "-tags", j.tags)
	}
	command := exec.CommandContext(ctx, "go", append(args, j.pkg)...)
	command.Dir = j.module
	// GOFLAGS and go.work of the caller's own project must not decide what a third-party program is made of.
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	command.Stdout, command.Stderr = out, out
	// Interrupted, the Go command ends its compilers as well; killed, it would leave them running.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	if err := command.Run(); err != nil {
		failure := fmt.Errorf("go build %s in %s: %w\n%s\n%s", j.pkg, j.module, err, out.tail(20), advice(ctx, out.tail(50)))
		return errors.Join(failure, removeIfPresent(temporary))
	}
	if err := os.Rename(temporary, j.target); err != nil {
		return fmt.Errorf("put it into the cache: %w", err)
	}
	say("built %s %s in %s", j.contents, j.version, time.Since(start).Round(100*time.Millisecond))
	return nil
}

func removeIfPresent(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the unfinished build: %w", err)
	}
	return nil
}

// advice says what to try, from what the Go command printed.
func advice(ctx context.Context, printed string) string {
	switch {
	case ctx.Err() != nil:
		return "The build was interrupted; the next one continues where it stopped."
	case strings.Contains(printed, "no space left on device"):
		return `Try: free some disk space; all parts together need about 8 GB. "go env GOCACHE GOMODCACHE" tells where.`
	case strings.Contains(printed, "signal: killed"), strings.Contains(printed, "cannot allocate memory"):
		return "Try: free some memory; linking Kubernetes needs about 3 GB."
	case strings.Contains(printed, "dial tcp"), strings.Contains(printed, "proxy"), strings.Contains(printed, "i/o timeout"):
		return `Try: check that the Go module proxy can be reached ("go env GOPROXY"); the next build continues where this one stopped.`
	default:
		return "Try: run it again; if it fails the same way, run the go command above by hand in that folder."
	}
}

// output keeps the last lines that the Go command printed and counts what it told about its progress.
type output struct {
	mu                   sync.Mutex
	partial              []byte
	lines                []string
	downloaded, compiled int
}

const keptLines = 50

// Write takes what the Go command prints.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.partial = append(o.partial, p...)
	for {
		line, rest, complete := bytes.Cut(o.partial, []byte("\n"))
		if !complete {
			return len(p), nil
		}
		o.take(string(line))
		o.partial = rest
	}
}

// take sorts a line: with -v the Go command prints the import path of each package once it is to be compiled, alone
// on its line.
func (o *output) take(line string) {
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		o.downloaded++
		return
	case line != "" && !strings.ContainsAny(line, " :#\t"):
		o.compiled++
		return
	}
	o.lines = append(o.lines, line)
	o.lines = o.lines[max(0, len(o.lines)-keptLines):]
}

func (o *output) progress() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.compiled == 0 {
		return fmt.Sprintf("%d modules downloaded", o.downloaded)
	}
	return fmt.Sprintf("%d packages compiled", o.compiled)
}

func (o *output) tail(n int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.lines
	if len(o.partial) > 0 {
		lines = append(slices.Clip(lines), string(o.partial))
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
