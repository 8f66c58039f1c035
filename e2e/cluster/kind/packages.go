package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// need is a program and the Debian packages that bring it, the first that exists in this release.
type need struct {
	program  string
	packages []string
}

// ipset, conntrack and the like are needed inside a node, whose image brings them; on the machine itself there remain these.
func daemonNeeds() []need {
	return []need{
		// Debian 13 took the client out of docker.io.
		{"docker", []string{"docker-cli", "docker.io"}},
		{"dockerd", []string{"docker.io"}},
		{"containerd", []string{"containerd"}},
		{"runc", []string{"runc"}},
		// Docker's own resolver for containers lives in iptables rules inside the container.
		{"iptables", []string{"iptables"}},
		{"ip", []string{"iproute2"}},
	}
}

func nodeImageNeeds() []need {
	return []need{{"debootstrap", []string{"debootstrap"}}, {"tar", []string{"tar"}}}
}

// require makes sure that the programs are there: it installs what is missing as root on Debian, and names it otherwise.
func (j journal) require(ctx context.Context, needs []need) error {
	var missing []need
	var programs []string
	for _, n := range needs {
		if _, err := findProgram(n.program); err != nil {
			missing, programs = append(missing, n), append(programs, n.program)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := mayInstall(); err != nil {
		return fmt.Errorf("install %s, or run this as root on Debian: %w", describeNeeds(missing), err)
	}
	return j.step("installing the Debian packages for "+strings.Join(programs, ", "), func() error { return j.install(ctx, missing) })
}

func describeNeeds(missing []need) string {
	var words []string
	for _, n := range missing {
		words = append(words, fmt.Sprintf("%s (Debian package %s)", n.program, n.packages[len(n.packages)-1]))
	}
	return strings.Join(words, ", ")
}

func mayInstall() error {
	if os.Geteuid() != 0 {
		return errors.New("not root")
	}
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		return errors.New("not Debian")
	}
	return nil
}

func (j journal) install(ctx context.Context, missing []need) error {
	apt := func(args ...string) (string, error) {
		return j.run(ctx, program{path: "apt-get", args: append(args, "-o", "DPkg::Lock::Timeout=300"),
			env: []string{"DEBIAN_FRONTEND=noninteractive"}})
	}
	if _, err := apt("update"); err != nil {
		return fmt.Errorf("update the package lists: %w", err)
	}
	var packages []string
	for _, n := range missing {
		packages = append(packages, j.firstAvailable(ctx, n.packages))
	}
	restore, err := denyServices()
	if err != nil {
		return err
	}
	_, err = apt(append([]string{"install", "--yes", "--no-install-recommends"}, packages...)...)
	if err = errors.Join(err, restore()); err != nil {
		return fmt.Errorf("install %s: %w", strings.Join(packages, " "), err)
	}
	return nil
}

func (j journal) firstAvailable(ctx context.Context, packages []string) string {
	for _, p := range packages[:len(packages)-1] {
		if _, err := j.run(ctx, program{path: "apt-cache", args: []string{"show", p}}); err == nil {
			return p
		}
	}
	return packages[len(packages)-1]
}

const (
	servicePolicy = "/usr/sbin/policy-rc.d"
	denyAll       = "#!/bin/sh\n# Written by Rollout's e2e cluster while it installs packages; safe to delete.\nexit 101\n"
)

// denyServices keeps packages from starting their services, as Debian's policy layer provides for: the machine's owner
// asked for a cluster, not for a Docker service. A policy of somebody else's stays as it is.
func denyServices() (restore func() error, err error) {
	existing, err := os.ReadFile(servicePolicy)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && string(existing) == denyAll:
		if err := os.WriteFile(servicePolicy, []byte(denyAll), 0o755); err != nil { //nolint:gosec // dpkg executes it
			return nil, fmt.Errorf("keep services from starting: %w", err)
		}
		return allowServices, nil
	case err != nil:
		return nil, fmt.Errorf("read the policy for services: %w", err)
	}
	return func() error { return nil }, nil
}

// allowServices removes the policy that denyServices wrote, also one that a crash has left.
func allowServices() error {
	existing, err := os.ReadFile(servicePolicy)
	if errors.Is(err, fs.ErrNotExist) || err == nil && string(existing) != denyAll {
		return nil
	}
	if err == nil {
		err = os.Remove(servicePolicy)
	}
	if err != nil {
		return fmt.Errorf("let services start again: %w", err)
	}
	return nil
}
