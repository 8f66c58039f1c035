package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rollout-dev/rollout/e2e/cluster/cache"
	"github.com/rollout-dev/rollout/e2e/cluster/process"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

const (
	daemonStart = 60 * time.Second
	daemonGrace = 20 * time.Second
	// longestSocket is what fits into the address of a Unix socket, less the closing zero; see unix(7).
	longestSocket = 107
)

// daemon is the Docker daemon of our own, for a machine that has none. All clusters of one cache share it; it runs as
// long as one of them does. Everything it makes lies below one folder, or carries the name derived from it.
type daemon struct {
	root string
	// name is "rollout-" and a hash of root: the cgroup of its containers.
	name string
}

func findDaemon() (daemon, error) {
	root, err := cache.Dir("docker")
	if err != nil {
		return daemon{}, err
	}
	return daemon{root: root, name: "rollout-" + shortHash([]byte(root))[:6]}, nil
}

func (e daemon) path(elem ...string) string {
	return filepath.Join(append([]string{e.root}, elem...)...)
}
func (e daemon) host() string             { return "unix://" + e.path("docker.sock") }
func (e daemon) containerdSocket() string { return e.path("containerd.sock") }

// linkPrefix begins the name of every bridge of ours; a link's name has at most 15 characters.
func (e daemon) linkPrefix() string { return "ro" + shortHash([]byte(e.root))[:6] + "-" }

// bridge is the name of the network link of one cluster.
func (e daemon) bridge(cluster string) string {
	return e.linkPrefix() + shortHash([]byte(cluster))[:6]
}

// startDaemon enters the cluster as a user of the daemon and starts the daemon unless it runs.
func (c *cluster) startDaemon(ctx context.Context) (docker, error) {
	e, err := findDaemon()
	if err != nil {
		return docker{}, err
	}
	release, err := c.lock(ctx, "docker", "starts or stops the Docker daemon")
	if err != nil {
		return docker{}, err
	}
	defer release()
	if err := c.require(ctx, daemonNeeds()); err != nil {
		return docker{}, err
	}
	if os.Geteuid() != 0 {
		return docker{}, errors.New("only root may run a Docker daemon: start yours, or run this as root")
	}
	if err := c.note(detailDocker, e.host()); err != nil {
		return docker{}, err
	}
	if err := e.enter(c.st.Options.Name); err != nil {
		return docker{}, err
	}
	return e.ensure(ctx, c.journal)
}

// ensure returns a client of the running daemon. The caller holds the lock.
func (e daemon) ensure(ctx context.Context, j journal) (docker, error) {
	client, err := findProgram("docker")
	if err != nil {
		return docker{}, err
	}
	d := docker{journal: j, client: client, host: e.host()}
	if listens(ctx, e.path("docker.sock")) == nil && d.answers(ctx) == nil {
		return d, nil
	}
	return d, j.step("starting a Docker daemon in "+e.root, func() error { return e.start(ctx, d) })
}

// listens tells whether somebody is behind a socket; a client takes its time over a daemon that isn't there.
func listens(ctx context.Context, socket string) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (e daemon) start(ctx context.Context, d docker) error {
	if socket := e.containerdSocket() + ".ttrpc"; len(socket) > longestSocket {
		return fmt.Errorf("%s is too long for a socket (%d characters, at most %d): set %s to a shorter path",
			socket, len(socket), longestSocket, cache.Variable)
	}
	if err := e.sweep(ctx); err != nil {
		return fmt.Errorf("clear away what an earlier daemon left: %w", err)
	}
	if err := e.configure(ctx, d.journal); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, daemonStart, fmt.Errorf("not ready within %s", daemonStart))
	defer cancel()
	containerd, err := e.run("containerd", "--config", e.path("containerd.toml"))
	if err != nil {
		return err
	}
	err = containerd.Await(ctx, "containerd", func(ctx context.Context) error { return listens(ctx, e.containerdSocket()) })
	if err != nil {
		return err
	}
	dockerd, err := e.run("dockerd", "--config-file", e.path("daemon.json"))
	if err != nil {
		return err
	}
	return dockerd.Await(ctx, "dockerd", func(ctx context.Context) error {
		if err := listens(ctx, e.path("docker.sock")); err != nil {
			return err
		}
		return d.answers(ctx)
	})
}

func (e daemon) run(name string, args ...string) (process.Process, error) {
	path, err := findProgram(name)
	if err != nil {
		return process.Process{}, err
	}
	return process.Start(process.Spec{Name: name, Path: path, Args: args, Dir: e.root, Mark: e.root,
		Env: []string{withSystemPath()}, Log: e.path("logs", name+".log")})
}

// configure writes the settings of both daemons. They leave the machine's firewall, forwarding and default networks
// alone: a node is reached over its own bridge and over ports that a plain process forwards, and its pods need no way out.
func (e daemon) configure(ctx context.Context, j journal) error {
	settings := map[string]any{
		"data-root": e.path("data"), "exec-root": e.path("run"), "pidfile": e.path("dockerd.pid"),
		"hosts": []string{e.host()}, "containerd": e.containerdSocket(),
		"bridge": "none", "iptables": false, "ip-forward": false, "ip-masq": false,
		"cgroup-parent": "/" + e.name, "exec-opts": []string{"native.cgroupdriver=cgroupfs"},
	}
	if mayRaiseLimits, err := holdsSysResource(); err != nil {
		return err
	} else if !mayRaiseLimits {
		wrapper, err := j.ownCommand(ctx, "runcwrap", runcwrapSource)
		if err != nil {
			return err
		}
		settings["runtimes"] = map[string]any{"runc-without-sys-resource": map[string]string{"path": wrapper}}
		settings["default-runtime"] = "runc-without-sys-resource"
	}
	encoded, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the settings of dockerd: %w", err)
	}
	containerd := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"+
		"[grpc]\n  address = %q\n[plugins.\"io.containerd.internal.v1.opt\"]\n  path = %q\n",
		e.path("containerd"), e.path("run", "containerd"), e.containerdSocket(), e.path("containerd", "opt"))
	for name, content := range map[string][]byte{"daemon.json": encoded, "containerd.toml": []byte(containerd)} {
		if err := os.WriteFile(e.path(name), content, 0o600); err != nil {
			return fmt.Errorf("write the settings of the Docker daemon: %w", err)
		}
	}
	return nil
}

// sysResource is the bit of CAP_SYS_RESOURCE; see capability.h.
const sysResource = 24

// holdsSysResource reports whether this machine lets root have CAP_SYS_RESOURCE; some virtual machines withhold it.
func holdsSysResource() (bool, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false, fmt.Errorf("read the capabilities of this process: %w", err)
	}
	return boundingSetHas(status, sysResource)
}

func boundingSetHas(status []byte, bit int) (bool, error) {
	_, rest, found := bytes.Cut(status, []byte("CapBnd:"))
	if !found {
		return false, errors.New("no CapBnd in /proc/self/status")
	}
	var set uint64
	if _, err := fmt.Sscanf(string(rest), "%x", &set); err != nil {
		return false, fmt.Errorf("read CapBnd in /proc/self/status: %w", err)
	}
	return set&(1<<bit) != 0, nil
}

// enter writes down that a cluster uses the daemon.
func (e daemon) enter(cluster string) error {
	if err := os.MkdirAll(e.path("users"), 0o700); err != nil {
		return fmt.Errorf("create the folder of the Docker daemon: %w", err)
	}
	if err := os.WriteFile(e.path("users", cluster), nil, 0o600); err != nil {
		return fmt.Errorf("write down that cluster %s uses the Docker daemon: %w", cluster, err)
	}
	return nil
}

// leave strikes the cluster off the users and returns how many are left. One whose state is gone doesn't count.
func (e daemon) leave(cluster string) (left int, err error) {
	users, err := os.ReadDir(e.path("users"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("list the users of the Docker daemon: %w", err)
	}
	for _, user := range users {
		if user.Name() != cluster {
			if _, err := state.Load(user.Name()); !errors.Is(err, state.ErrNotFound) {
				left++
				continue
			}
		}
		if err := os.Remove(e.path("users", user.Name())); err != nil {
			return 0, fmt.Errorf("strike cluster %s off the users of the Docker daemon: %w", user.Name(), err)
		}
	}
	return left, nil
}

// stop ends the daemon and clears away everything of its that the kernel holds; the images stay in its folder as a cache.
// The caller holds the lock.
func (e daemon) stop(ctx context.Context) error {
	running, err := process.Marked(e.root)
	if err != nil {
		return err
	}
	var dockerd []process.Process
	for _, p := range running {
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID)); err == nil && string(comm) == "dockerd\n" {
			dockerd = append(dockerd, p)
		}
	}
	// First dockerd alone: it needs containerd to end in order.
	return errors.Join(process.Stop(ctx, daemonGrace, dockerd...), e.sweep(ctx))
}
