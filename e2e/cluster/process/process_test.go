package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// start runs a shell script as a process of its own and makes sure that it ends with the test.
func start(t *testing.T, script string) Process {
	t.Helper()
	dir := t.TempDir()
	p, err := Start(Spec{Name: "program", Path: "/bin/sh", Args: []string{"-c", script}, Dir: dir, Log: filepath.Join(dir, "log"), Mark: dir})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, Stop(context.Background(), 0, p)) })
	return p
}

func TestProcessThatExitedIsNotAlive(t *testing.T) {
	p := start(t, "exit 0")
	require.Empty(t, awaitEnd(t.Context(), 10*time.Second, []Process{p}))
	require.False(t, p.Alive())
}

func TestStopLeavesTheNextOwnerOfAPIDAlone(t *testing.T) {
	p := start(t, "exec sleep 600")
	earlier := p
	earlier.Identity = "an earlier process"
	require.False(t, earlier.Alive())

	require.NoError(t, Stop(t.Context(), time.Second, earlier))
	require.True(t, p.Alive())
}

func TestStopKillsWhatIgnoresBeingAsked(t *testing.T) {
	p := start(t, "trap '' TERM; echo deaf; while :; do sleep 1; done")
	require.NoError(t, p.Await(t.Context(), "the trap", func(context.Context) error {
		if Tail(p.Log, 1) != "deaf" {
			return errors.New("not yet")
		}
		return nil
	}))
	require.NoError(t, Stop(t.Context(), 50*time.Millisecond, p))
	require.False(t, p.Alive())
}

func TestMarkFindsAProcessThatNobodyRecorded(t *testing.T) {
	p := start(t, "exec sleep 600")
	mark := filepath.Dir(p.Log)
	found, err := Marked(mark)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, p.PID, found[0].PID)
	require.Equal(t, p.Identity, found[0].Identity)

	others, err := Marked(filepath.Dir(mark))
	require.NoError(t, err)
	require.Empty(t, others, "a mark is no prefix")
}

func TestAwaitTellsWhatAProcessPrintedBeforeItExited(t *testing.T) {
	p := start(t, "echo address already in use; exit 1")
	err := p.Await(t.Context(), "a miracle", func(context.Context) error { return errors.New("connection refused") })
	require.ErrorContains(t, err, "program exited while the cluster waited for a miracle")
	require.ErrorContains(t, err, "address already in use")
}

func TestAwaitTellsTheLastAnswerWhenTimeIsUp(t *testing.T) {
	p := start(t, "exec sleep 600")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("too slow"))
	defer cancel()
	err := p.Await(ctx, "a miracle", func(context.Context) error { return errors.New("connection refused") })
	require.ErrorContains(t, err, "wait for a miracle: too slow (last answer: connection refused)")
}

func TestProgramNamesWithParenthesesAndSpacesAreParsed(t *testing.T) {
	status, started, err := parseStat([]byte("42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21"))
	require.NoError(t, err)
	require.Equal(t, "S", status)
	require.Equal(t, "777", started)
}

func TestTailKeepsTheLastLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("one\ntwo\nthree\n"), 0o600))
	require.Equal(t, "two\nthree", Tail(path, 2))
	require.Contains(t, Tail(path+"x", 2), "no such file")
}
