package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rollout-dev/rollout/e2e/cluster/process"
)

const (
	sweepGrace = 10 * time.Second
	sweepPoll  = 50 * time.Millisecond
)

// sweep removes what the daemon left in the kernel: processes, mounts, network links and cgroups. It goes by the names
// and folders that are the daemon's alone, never by what was or wasn't there before, so it works after any crash.
func (e daemon) sweep(ctx context.Context) error {
	marked, err := process.Marked(e.root)
	if err != nil {
		return err
	}
	// The daemons and their shims first: a shim would start a killed container's hooks, dockerd the container itself.
	if err := process.Stop(ctx, sweepGrace, marked...); err != nil {
		return err
	}
	groups, err := cgroups(e.name)
	if err != nil {
		return err
	}
	if err := killMembers(ctx, groups); err != nil {
		return err
	}
	return errors.Join(
		unmountBelow(e.root),
		e.removeLinks(ctx),
		removeCgroups(ctx, groups),
		os.RemoveAll(e.path("run")),
		// A dockerd that was killed stays in the way of the next one by its pid file, for as long as nobody has collected it.
		os.RemoveAll(e.path("dockerd.pid")),
		os.RemoveAll(e.path("docker.sock")),
		os.RemoveAll(e.containerdSocket()),
		os.RemoveAll(e.containerdSocket()+".ttrpc"),
	)
}

// mount is one line of /proc/self/mountinfo, as far as it is of interest here.
type mount struct{ point, kind string }

func mounts() ([]mount, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list the mounts: %w", err)
	}
	return parseMounts(string(info)), nil
}

// parseMounts reads mount points and file system types; see proc_pid_mountinfo(5). Spaces are written as \040.
func parseMounts(info string) []mount {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var all []mount
	for line := range strings.SplitSeq(info, "\n") {
		left, right, found := strings.Cut(line, " - ")
		fields, types := strings.Fields(left), strings.Fields(right)
		if found && len(fields) >= 5 && len(types) > 0 {
			all = append(all, mount{point: unescape.Replace(fields[4]), kind: types[0]})
		}
	}
	return all
}

// unmountBelow unmounts everything at or below a folder, the latest first.
func unmountBelow(dir string) error {
	all, err := mounts()
	if err != nil {
		return err
	}
	var failures []error
	for _, m := range slices.Backward(all) {
		if m.point != dir && !strings.HasPrefix(m.point, dir+"/") {
			continue
		}
		if err := unix.Unmount(m.point, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			failures = append(failures, fmt.Errorf("unmount %s: %w", m.point, err))
		}
	}
	return errors.Join(failures...)
}

// removeLinks deletes the bridges that carry the daemon's prefix. The links between a bridge and a container are gone
// with the container's network namespace, which the unmounting has released.
func (e daemon) removeLinks(ctx context.Context) error {
	links, err := filepath.Glob("/sys/class/net/" + e.linkPrefix() + "*")
	if err != nil || len(links) == 0 {
		return err
	}
	ip, err := findProgram("ip")
	if err != nil {
		return fmt.Errorf("remove the links %v: %w", links, err)
	}
	var failures []error
	for _, link := range links {
		_, err := journal{dir: e.root}.run(ctx, program{path: ip, args: []string{"link", "delete", "dev", filepath.Base(link)}})
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// cgroups returns the folders of the cgroup called name, one in each hierarchy that has it (cgroup v2 has one hierarchy).
func cgroups(name string) ([]string, error) {
	all, err := mounts()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, m := range all {
		dir := filepath.Join(m.point, name)
		if info, err := os.Stat(dir); (m.kind == "cgroup" || m.kind == "cgroup2") && err == nil && info.IsDir() {
			found = append(found, dir)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// killMembers kills every process in the cgroups and below, until there is none.
func killMembers(ctx context.Context, groups []string) error {
	return until(ctx, "processes in "+strings.Join(groups, ", ")+" to end", func() bool {
		alive := false
		for _, pid := range members(groups) {
			alive = unix.Kill(pid, unix.SIGKILL) == nil || alive
		}
		return !alive
	})
}

func members(groups []string) []int {
	var pids []int
	for _, folder := range withSubgroups(groups) {
		procs, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
		if err != nil {
			continue // A group that has just vanished has no members.
		}
		for field := range strings.FieldsSeq(string(procs)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// withSubgroups returns the cgroups and all below them, a group before its own groups.
func withSubgroups(groups []string) []string {
	var folders []string
	for _, group := range groups {
		_ = filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir // Groups come and go while containers end.
			}
			if entry.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})
	}
	return folders
}

// removeCgroups removes the cgroups, the deepest first; one whose last process has only just ended is still busy.
func removeCgroups(ctx context.Context, groups []string) error {
	return until(ctx, "the cgroups "+strings.Join(groups, ", ")+" to be free", func() bool {
		gone := true
		for _, folder := range slices.Backward(withSubgroups(groups)) {
			err := os.Remove(folder)
			gone = gone && (err == nil || errors.Is(err, fs.ErrNotExist))
		}
		return gone
	})
}

// until waits for a condition of the kernel's own housekeeping.
func until(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sweepGrace, fmt.Errorf("not within %s", sweepGrace))
	defer cancel()
	ticker := time.NewTicker(sweepPoll)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		case <-ticker.C:
		}
	}
	return nil
}
