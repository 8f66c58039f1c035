package rollout_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/sim"
)

var update = flag.Bool("update", false, "write the transcripts anew; read every difference as its user would")

// A transcript is a conversation with a simulated cluster: a command, the line "----", and what then happened, to the next
// empty line. See script_test.go for the commands.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			before, err := os.ReadFile(file)
			require.NoError(t, err)
			after := replay(t, string(before))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(after), 0o644))
				return
			}
			require.Equal(t, string(before), after, "go test ./rollout -run TestTranscripts -update writes it anew")
		})
	}
}

// replay carries out the commands of a transcript and returns it with what happened this time.
func replay(t *testing.T, transcript string) string {
	var out strings.Builder
	s := &script{t: t}
	for block := range strings.SplitSeq(strings.TrimSpace(transcript), "\n\n") {
		commands, _, isCommand := strings.Cut(block+"\n", "\n----\n")
		if !isCommand {
			fmt.Fprintf(&out, "%s\n\n", block)
			continue
		}
		for command := range strings.SplitSeq(commands, "\n") {
			s.do(command)
		}
		fmt.Fprintf(&out, "%s\n----\n%s\n", commands, s.take())
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// script is a transcript on its way.
type script struct {
	t       *testing.T
	cluster *sim.Cluster
	lines   []string
	// said is the last thing that was said by everybody but the engine, whose every word counts.
	said map[string]string
	// writes counts what the engine wrote since take was last called.
	statusWrites, otherWrites int
}

func (s *script) trace(after time.Duration, who, what string) {
	switch who {
	case "status":
		s.statusWrites++
	case "engine":
		s.otherWrites++
	}
	if s.said[who] == what && who != "engine" && who != "event" {
		return
	}
	s.said[who] = what
	s.lines = append(s.lines, fmt.Sprintf("%6.1fs  %-8s %s", after.Seconds(), who, what))
}

// take returns what happened since it was last called.
func (s *script) take() string {
	for _, v := range s.cluster.Violations() {
		s.t.Errorf("%s: %v", v.Invariant, v.Err)
	}
	lines := append(s.lines, fmt.Sprintf("         (%d status writes, %d other writes)", s.statusWrites, s.otherWrites))
	s.lines, s.statusWrites, s.otherWrites = nil, 0, 0
	return strings.Join(lines, "\n") + "\n"
}
