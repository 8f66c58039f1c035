package main

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAChildIsToldToEnd(t *testing.T) {
	c, err := start(exec.CommandContext(t.Context(), "sleep", "600"))
	require.NoError(t, err)
	require.ErrorContains(t, c.stop(time.Minute), "terminated")
	require.ErrorContains(t, c.stop(time.Minute), "terminated", "stopping it once more tells the same")
}

func TestAChildThatDoesNotEndIsKilled(t *testing.T) {
	command := exec.CommandContext(t.Context(), "sh", "-c", `trap "" TERM; echo ready; read forever`)
	_, err := command.StdinPipe() // Never written to and never closed.
	require.NoError(t, err)
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	c, err := start(command)
	require.NoError(t, err)
	_, err = output.Read(make([]byte, 5))
	require.NoError(t, err)
	require.ErrorContains(t, c.stop(time.Millisecond), "was killed")
	<-c.done
}

func TestAChildThatCannotStartIsAnError(t *testing.T) {
	_, err := start(exec.CommandContext(t.Context(), "/does/not/exist"))
	require.ErrorContains(t, err, "start /does/not/exist")
}
