// Package parts builds the third-party programs a cluster is made of from their Go modules, once, into the cache.
package parts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rollout-dev/rollout/e2e/cluster/cache"
)

// Name is a program that Build can build.
type Name string

// The programs.
const (
	// ControlPlane acts as kube-apiserver, kube-controller-manager or kube-scheduler, whichever it is called as.
	ControlPlane Name = "controlplane"
	// Node acts as kubelet, kube-proxy, kubeadm or kubectl, whichever it is called as.
	Node       Name = "node"
	Etcd       Name = "etcd"
	Kwok       Name = "kwok"
	Prometheus Name = "prometheus"
	Traefik    Name = "traefik"
	CoreDNS    Name = "coredns"
	// Istiod is Istio's control plane.
	Istiod Name = "istiod"
)

// part says how one program is built.
type part struct {
	// module is the folder of its Go module, below the folder of this package.
	module string
	// pkg is what is built there.
	pkg string
	// contents names what is inside, for a person who waits for it.
	contents string
	// versionOf is the module in its go.mod whose version it carries.
	versionOf string
	// patience is roughly how long the first build takes on two cores.
	patience string
	// tags and ldflags are passed to the Go command; {version}, {major} and {minor} are those of versionOf.
	tags, ldflags string
	// sources are the files of the module besides go.mod and go.sum that make the program.
	sources []string
}

const (
	smallBinary = "-s -w"
	kubeVersion = smallBinary +
		" -X k8s.io/component-base/version.gitVersion={version}" +
		" -X k8s.io/component-base/version.gitMajor={major}" +
		" -X k8s.io/component-base/version.gitMinor={minor}"
)

func describe(name Name) (part, error) {
	switch name {
	case ControlPlane:
		return part{module: "kubernetes", pkg: "./controlplane", versionOf: "k8s.io/kubernetes", ldflags: kubeVersion,
			contents: "kube-apiserver, kube-controller-manager and kube-scheduler", patience: "4 minutes",
			sources: []string{"controlplane/main.go"}}, nil
	case Node:
		return part{module: "kubernetes", pkg: "./node", versionOf: "k8s.io/kubernetes", ldflags: kubeVersion,
			contents: "kubelet, kube-proxy, kubeadm and kubectl", patience: "3 minutes",
			sources: []string{"node/main.go"}}, nil
	case Etcd:
		return tool("etcd", "go.etcd.io/etcd/server/v3", "", "1 minute"), nil
	case Kwok:
		return tool("kwok", "sigs.k8s.io/kwok", "/cmd/kwok", "2 minutes"), nil
	case Prometheus:
		p := tool("prometheus", "github.com/prometheus/prometheus", "/cmd/prometheus", "4 minutes")
		// Service discovery for two dozen clouds is a third of Prometheus' packages.
		p.tags = "remove_all_sd,enable_kubernetes_sd"
		return p, nil
	case Traefik:
		return tool("traefik", "github.com/traefik/traefik/v3", "/cmd/traefik", "6 minutes"), nil
	case CoreDNS:
		return tool("coredns", "github.com/coredns/coredns", "", "2 minutes"), nil
	case Istiod:
		return tool("istiod", "istio.io/istio", "/pilot/cmd/pilot-discovery", "5 minutes"), nil
	default:
		return part{}, fmt.Errorf("unknown part %q", name)
	}
}

func tool(module, path, command, patience string) part {
	return part{module: module, pkg: path + command, contents: module, versionOf: path, patience: patience, ldflags: smallBinary}
}

// Build returns the paths of the named programs, and builds those that the cache does not hold for exactly these
// versions and flags. What takes long reports to progress. Two processes never build the same program twice: the
// second waits for the first.
func Build(ctx context.Context, progress io.Writer, names ...Name) (map[Name]string, error) {
	sources, err := sourceFolder()
	if err != nil {
		return nil, err
	}
	paths := make(map[Name]string, len(names))
	for _, name := range names {
		path, err := ensure(ctx, progress, sources, name)
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", name, err)
		}
		paths[name] = path
	}
	return paths, nil
}

// Version returns the version of the program called name, such as v1.35.4.
func Version(name Name) (string, error) {
	p, err := describe(name)
	if err != nil {
		return "", err
	}
	sources, err := sourceFolder()
	if err != nil {
		return "", err
	}
	return p.version(sources)
}

// ModuleFolder returns the folder in the module cache of a module that the program called name is built with, in the version that
// it is built with. It is for the files that no Go package carries.
func ModuleFolder(ctx context.Context, name Name, module string) (string, error) {
	p, err := describe(name)
	if err != nil {
		return "", err
	}
	sources, err := sourceFolder()
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	command.Dir = filepath.Join(sources, p.module)
	command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	output, err := command.Output()
	var found struct{ Dir, Error string }
	unreadable := json.Unmarshal(output, &found)
	if found.Error != "" {
		return "", fmt.Errorf("download module %s: %s", module, found.Error)
	}
	if err := errors.Join(err, unreadable); err != nil {
		return "", fmt.Errorf("download module %s: %w", module, err)
	}
	return found.Dir, nil
}

func ensure(ctx context.Context, progress io.Writer, sources string, name Name) (string, error) {
	p, err := describe(name)
	if err != nil {
		return "", err
	}
	version, err := p.version(sources)
	if err != nil {
		return "", err
	}
	key, err := p.key(sources)
	if err != nil {
		return "", err
	}
	entry := fmt.Sprintf("%s-%s-%s", name, version, key)
	target, err := cache.Dir("parts", entry, string(name))
	if err != nil {
		return "", err
	}
	if built(target) {
		return target, nil
	}
	lock, err := cache.Dir("locks", "part-"+entry)
	if err != nil {
		return "", err
	}
	release, err := cache.Lock(ctx, lock, func() {
		_, _ = fmt.Fprintf(progress, "waiting for another process that builds %s %s\n", p.contents, version)
	})
	if err != nil {
		return "", err
	}
	defer release()
	if built(target) {
		return target, nil
	}
	return target, compile(ctx, progress, job{part: p, version: version, module: filepath.Join(sources, p.module), target: target})
}

func built(path string) bool {
	info, err := os.Stat(path) //nolint:gosec // the user names the folder of the parts, and may name any
	return err == nil && info.Mode().IsRegular()
}

func (p part) version(sources string) (string, error) {
	path := filepath.Join(sources, p.module, "go.mod")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the version of %s: %w", p.module, err)
	}
	line := regexp.MustCompile(`(?m)^\s*(?:require\s+)?` + regexp.QuoteMeta(p.versionOf) + ` (v\S+)`)
	match := line.FindSubmatch(content)
	if match == nil {
		return "", fmt.Errorf("%s requires no %s", path, p.versionOf)
	}
	return string(match[1]), nil
}

// key stands for everything of ours that decides what comes out of the build. The Go version is not part of it: a
// newer toolchain is no reason to rebuild Kubernetes for minutes.
func (p part) key(sources string) (string, error) {
	sum := sha256.New()
	for _, name := range append([]string{"go.mod", "go.sum"}, p.sources...) {
		content, err := os.ReadFile(filepath.Join(sources, p.module, name))
		if err != nil {
			return "", fmt.Errorf("read the sources of %s: %w", p.module, err)
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	_, _ = fmt.Fprintf(sum, "%s\n%s\n%s", p.pkg, p.tags, p.ldflags)
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// linkerFlags fills the version into the part's flags.
func (p part) linkerFlags(version string) string {
	numbers := strings.SplitN(strings.TrimPrefix(version, "v")+"..", ".", 3)
	return strings.NewReplacer("{version}", version, "{major}", numbers[0], "{minor}", numbers[1]).Replace(p.ldflags)
}

// SourceVariable names the environment variable that says where this package's folder is, for a command that was
// moved out of its checkout.
const SourceVariable = "ROLLOUT_PARTS"

// landmark is a file that is in this package's folder and nowhere else.
const landmark = "kubernetes/controlplane/main.go"

// sourceFolder finds this package's folder, whose nested modules are not part of the compiled command: above the
// working directory (go run), or above the command itself (a binary in the checkout's bin).
func sourceFolder() (string, error) {
	if dir := os.Getenv(SourceVariable); dir != "" {
		if !built(filepath.Join(dir, landmark)) {
			return "", fmt.Errorf("%s=%s holds no %s: want the folder e2e/cluster/parts of a checkout", SourceVariable, dir, landmark)
		}
		return filepath.Abs(dir)
	}
	working, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	executable, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the running command: %w", err)
	}
	for _, start := range []string{working, filepath.Dir(executable)} {
		if dir, found := searchUp(start); found {
			return dir, nil
		}
	}
	return "", fmt.Errorf("find the folder e2e/cluster/parts above %s or %s: %w; run the command inside a checkout, or set %s",
		working, executable, fs.ErrNotExist, SourceVariable)
}

func searchUp(dir string) (string, bool) {
	for {
		for _, candidate := range []string{"parts", "cluster/parts", "e2e/cluster/parts"} {
			if path := filepath.Join(dir, candidate); built(filepath.Join(path, landmark)) {
				return path, true
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

var errNoGo = errors.New(`the Go command is not on the PATH; install Go (https://go.dev/dl) and try again`)
