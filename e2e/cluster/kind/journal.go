package kind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rollout-dev/rollout/e2e/cluster/heartbeat"
	"github.com/rollout-dev/rollout/e2e/cluster/process"
)

const (
	// beat is how often a step that takes long says that it is still alive.
	beat = 15 * time.Second
	// worthTelling is the time from which on the duration of a step is of interest.
	worthTelling = 2 * time.Second
	// killGrace is how long a cancelled program gets to end before its pipes are closed.
	killGrace = 5 * time.Second
	// excerptLines is how much of a failed program's output goes into its error.
	excerptLines = 15
)

// journal tells a person what happens and keeps what programs print.
type journal struct {
	progress io.Writer
	// dir is the cluster's folder: programs carry it as their mark, so that a later down finds those that a crash orphaned.
	dir string
}

func (j journal) say(format string, args ...any) {
	_, _ = fmt.Fprintf(j.progress, format+"\n", args...)
}

// step says what is being done, how long it takes and, when it took long, that it is over.
func (j journal) step(title string, do func() error) error {
	j.say("%s", title)
	start := time.Now()
	stop := heartbeat.Every(beat, func() { j.say("  %s: %s so far", title, time.Since(start).Round(time.Second)) })
	err := do()
	stop()
	if took := time.Since(start); err == nil && took >= worthTelling {
		j.say("  done in %s", took.Round(100*time.Millisecond))
	}
	return err
}

// program is one run of another program.
type program struct {
	path  string
	args  []string
	env   []string
	dir   string
	stdin io.Reader
}

// run runs a program to its end and returns what it printed to standard output. Everything it printed is appended to
// the cluster's log folder, and the end of it goes into the error.
func (j journal) run(ctx context.Context, p program) (string, error) {
	var stdout, all bytes.Buffer
	both := &lockedWriter{to: &all}
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Dir, cmd.Stdin = p.dir, p.stdin
	cmd.Env = append(append(os.Environ(), withSystemPath(), process.MarkVariable+"="+j.dir), p.env...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, both), both
	cmd.WaitDelay = killGrace
	err := cmd.Run()
	name := filepath.Base(p.path)
	logError := j.record(name, p.args, all.Bytes())
	if err != nil {
		what := name
		if len(p.args) > 0 {
			what += " " + p.args[0]
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		err = fmt.Errorf("%s: %w%s", what, err, excerpt(all.String()))
	}
	return stdout.String(), errors.Join(err, logError)
}

func (j journal) record(name string, args []string, printed []byte) error {
	path := filepath.Join(j.dir, "logs", name+".log")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create the log folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", name, err)
	}
	_, err = fmt.Fprintf(f, "\n%s %s %s\n%s", time.Now().UTC().Format(time.RFC3339), name, strings.Join(args, " "), printed)
	return errors.Join(err, f.Close())
}

func excerpt(printed string) string {
	printed = strings.TrimSpace(printed)
	if printed == "" {
		return ""
	}
	lines := strings.Split(printed, "\n")
	return "\n" + strings.Join(lines[max(0, len(lines)-excerptLines):], "\n")
}

// lockedWriter lets standard output and standard error share a buffer.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

// Write takes what a program prints.
func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

// systemPath is where Debian keeps programs for root; `su` without a dash leaves these folders out of the PATH.
const systemPath = "/usr/local/sbin:/usr/sbin:/sbin"

func withSystemPath() string { return "PATH=" + os.Getenv("PATH") + ":" + systemPath }

// findProgram is exec.LookPath that also looks into systemPath.
func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for dir := range strings.SplitSeq(systemPath, ":") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}
