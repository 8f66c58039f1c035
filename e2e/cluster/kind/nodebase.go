package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rollout-dev/rollout/e2e/cluster/process"
)

const (
	// nodeSuite is the Debian release inside a node, whatever release the machine itself runs.
	nodeSuite      = "bookworm"
	baseRepository = "rollout-kind/base"
)

// nodePackages is what a node needs beyond a minimal Debian: systemd as its first process, what kubelet, kube-proxy and
// kubeadm call, a container runtime, and what kind itself runs inside of it.
func nodePackages() []string {
	return []string{
		"systemd", "systemd-sysv", "dbus",
		"conntrack", "ethtool", "ipset", "iproute2", "iptables", "kmod", "mount", "nftables", "procps", "socat", "util-linux",
		"containerd", "containernetworking-plugins", "libseccomp2", "runc",
		"ca-certificates", "curl", "hostname", "jq", "openssl",
	}
}

// notInNode are the folders of the fresh Debian that only take space in an image. Devices are the container runtime's business.
func notInNode() []string {
	return []string{"./dev/*", "./proc/*", "./sys/*", "./var/cache/apt/*", "./var/lib/apt/lists/*", "./usr/share/doc/*",
		"./usr/share/man/*", "./usr/share/locale/*", "./usr/share/info/*"}
}

// nodeBase returns a Docker image with a minimal Debian for nodes, and makes it when it isn't there.
func (c *cluster) nodeBase(ctx context.Context) (string, error) {
	ref := baseRepository + ":" + shortHash([]byte(nodeSuite+strings.Join(append(nodePackages(), notInNode()...), " ")))
	if c.docker.has(ctx, "image", ref) {
		return ref, nil
	}
	if err := c.require(ctx, nodeImageNeeds()); err != nil {
		return "", fmt.Errorf("build the node image: %w", err)
	}
	if os.Geteuid() != 0 {
		return "", errors.New("build the node image: only root may run debootstrap; run this as root, or where the public node image can be pulled")
	}
	root := filepath.Join(c.dir, "node")
	err := c.step("installing Debian "+nodeSuite+" for nodes: about 1 minute, the first time", func() error { return c.debootstrap(ctx, root) })
	if err != nil {
		return "", fmt.Errorf("install Debian for the node image: %w", err)
	}
	if err := c.step("packing it into an image", func() error { return c.importFolder(ctx, root, ref) }); err != nil {
		return "", fmt.Errorf("pack Debian into an image: %w", err)
	}
	return ref, errors.Join(unmountBelow(root), os.RemoveAll(root))
}

func (c *cluster) debootstrap(ctx context.Context, root string) error {
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	path, err := findProgram("debootstrap")
	if err != nil {
		return err
	}
	args := []string{"--variant=minbase", "--include=" + strings.Join(nodePackages(), ","), nodeSuite, root}
	_, err = c.run(ctx, program{path: path, args: append(args, c.mirror(ctx)...)})
	return err
}

// mirror is where this machine gets its own Debian packages from: where it has a mirror of its own, nothing else may be in
// reach. It is nothing where apt doesn't say; then debootstrap takes its default.
func (c *cluster) mirror(ctx context.Context) []string {
	out, err := c.run(ctx, program{path: "apt-get", args: []string{"indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian", "Label: Debian"}})
	if uri, _, _ := strings.Cut(strings.TrimSpace(out), "\n"); err == nil && strings.HasPrefix(uri, "http") {
		return []string{strings.TrimSuffix(uri, "/")}
	}
	return nil
}

// importFolder pipes a folder into `docker import`.
func (c *cluster) importFolder(ctx context.Context, root, ref string) error {
	args := []string{"--create", "--directory", root, "--numeric-owner"}
	for _, pattern := range notInNode() {
		args = append(args, "--exclude="+pattern)
	}
	pack := exec.CommandContext(ctx, "tar", append(args, ".")...)
	pack.Env = append(os.Environ(), process.MarkVariable+"="+c.dir)
	var complaints strings.Builder
	pack.Stderr = &complaints
	archive, err := pack.StdoutPipe()
	if err != nil {
		return err
	}
	if err := pack.Start(); err != nil {
		return fmt.Errorf("start tar: %w", err)
	}
	_, importing := c.docker.feed(ctx, archive, "import", "-", ref)
	// Whatever the import left unread would block tar for ever.
	_, draining := io.Copy(io.Discard, archive)
	if err := pack.Wait(); err != nil {
		return errors.Join(importing, fmt.Errorf("tar: %w%s", err, excerpt(complaints.String())))
	}
	return errors.Join(importing, draining)
}
