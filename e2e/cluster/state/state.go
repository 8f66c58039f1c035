package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/rollout-dev/rollout/e2e/cluster/cache"
	"github.com/rollout-dev/rollout/e2e/cluster/process"
)

// ErrNotFound is returned for a cluster of which nothing is written down.
var ErrNotFound = errors.New("no such cluster")

// Phase is how far a cluster has come.
type Phase string

// The phases. A cluster that stays in Starting was abandoned by its command; down removes it like any other.
const (
	Starting Phase = "starting"
	Ready    Phase = "ready"
	Failed   Phase = "failed"
	Stopping Phase = "stopping"
)

// State is what is known about one cluster. It is saved before and after everything that would be left behind if the
// command died, so that down finds it all.
type State struct {
	// Options is what the cluster was asked to be.
	Options Options `json:"options"`
	// Phase is how far it has come.
	Phase Phase `json:"phase"`
	// Dir is the cluster's own folder; everything in it goes with the cluster.
	Dir string `json:"dir"`
	// Kubeconfig is the path of an administrator's kubeconfig.
	Kubeconfig string `json:"kubeconfig"`
	// CreatedAt is when up began.
	CreatedAt time.Time `json:"createdAt"`
	// Processes are the programs that run for it, in the order of their start.
	Processes []process.Process `json:"processes,omitempty"`
	// URLs are the cluster's own endpoints on this machine.
	URLs URLs `json:"urls"`
	// Details is what a tier alone needs to know, such as the address of the Docker daemon it started.
	Details map[string]string `json:"details,omitempty"`
}

// URLs are base URLs, reachable from this machine, without a trailing slash; empty when the cluster has no such part.
type URLs struct {
	// Prometheus is the base URL of Prometheus.
	Prometheus string `json:"prometheus,omitempty"`
	// Metrics is where the gateway offers its metrics.
	Metrics string `json:"metrics,omitempty"`
	// Traffic is where the simulated gateway tells what its clients received.
	Traffic string `json:"traffic,omitempty"`
	// Gateway is where the real gateway takes requests.
	Gateway string `json:"gateway,omitempty"`
}

// New returns the state of a cluster about to be started, in a folder of its own in the cache. It creates nothing.
func New(options Options) (State, error) {
	dir, err := cache.Dir("clusters", options.Name)
	if err != nil {
		return State{}, err
	}
	return State{
		Options: options, Phase: Starting, Dir: dir, CreatedAt: time.Now().UTC(),
		Kubeconfig: filepath.Join(dir, "kubeconfig"), Details: map[string]string{},
	}, nil
}

// Load reads the state of the cluster called name; ErrNotFound when there is none.
func Load(name string) (State, error) {
	dir, err := cache.Dir("clusters", name)
	if err != nil {
		return State{}, err
	}
	content, err := os.ReadFile(file(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, fmt.Errorf("cluster %s: %w (start it with \"cluster up --name %s\", or see \"cluster list\")", name, ErrNotFound, name)
	}
	if err != nil {
		return State{}, fmt.Errorf("read the state of cluster %s: %w", name, err)
	}
	var s State
	if err := json.Unmarshal(content, &s); err != nil {
		return State{}, fmt.Errorf("read the state of cluster %s in %s: %w", name, file(dir), err)
	}
	return s, nil
}

// List reads the state of every cluster, sorted by name.
func List() ([]State, error) {
	root, err := cache.Dir("clusters")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(file(filepath.Join(root, "*")))
	if err != nil {
		return nil, fmt.Errorf("list clusters in %s: %w", root, err)
	}
	sort.Strings(files)
	var all []State
	for _, path := range files {
		s, err := Load(filepath.Base(filepath.Dir(path)))
		if errors.Is(err, ErrNotFound) {
			continue // Taken down while we read.
		}
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Save writes the state down. A reader sees either the old or the new one.
func (s State) Save() error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("create the folder of cluster %s: %w", s.Options.Name, err)
	}
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the state of cluster %s: %w", s.Options.Name, err)
	}
	temporary := file(s.Dir) + ".new"
	if err := os.WriteFile(temporary, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the state of cluster %s: %w", s.Options.Name, err)
	}
	if err := os.Rename(temporary, file(s.Dir)); err != nil {
		return fmt.Errorf("replace the state of cluster %s: %w", s.Options.Name, err)
	}
	return nil
}

// Start starts a program for the cluster, marked as the cluster's and with a log in its folder, and saves the state.
func (s *State) Start(spec process.Spec) (process.Process, error) {
	spec.Mark, spec.Log = s.Dir, s.Log(spec.Name)
	if spec.Dir == "" {
		spec.Dir = s.Dir
	}
	started, err := process.Start(spec)
	if err != nil {
		return process.Process{}, err
	}
	s.Processes = append(s.Processes, started)
	return started, s.Save()
}

// Log is the file that the program called name prints to.
func (s State) Log(name string) string { return filepath.Join(s.Dir, "logs", name+".log") }

// StopProcesses ends the recorded programs and any other that carries the cluster's mark, and saves the state without
// them. After grace they are killed.
func (s *State) StopProcesses(ctx context.Context, grace time.Duration) error {
	unrecorded, err := process.Marked(s.Dir)
	if err != nil {
		return err
	}
	if err := process.Stop(ctx, grace, append(unrecorded, s.Processes...)...); err != nil {
		return fmt.Errorf("stop the processes of cluster %s: %w", s.Options.Name, err)
	}
	s.Processes = nil
	return s.Save()
}

// Remove deletes the cluster's folder. What ran in it must have ended before.
func (s State) Remove() error {
	// The state goes last: if anything else cannot be removed, down can be called again.
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list the folder of cluster %s: %w", s.Options.Name, err)
	}
	for _, entry := range entries {
		if path := filepath.Join(s.Dir, entry.Name()); path != file(s.Dir) {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove the files of cluster %s: %w", s.Options.Name, err)
			}
		}
	}
	if err := os.RemoveAll(s.Dir); err != nil {
		return fmt.Errorf("remove the folder of cluster %s: %w", s.Options.Name, err)
	}
	return nil
}

// Lock keeps other commands from changing the cluster called name until release is called.
func Lock(ctx context.Context, name string, waiting func()) (release func(), err error) {
	path, err := cache.Dir("locks", "cluster-"+name)
	if err != nil {
		return nil, err
	}
	return cache.Lock(ctx, path, waiting)
}

func file(dir string) string { return filepath.Join(dir, "state.json") }
