package kind

import (
	"archive/tar"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/e2e/cluster/parts"
)

//go:embed node/bridge.conflist
var podNetwork []byte

// nodeFile is one file of a node: content, the copy of a program on this machine, or a symbolic link.
type nodeFile struct {
	content []byte
	source  string
	link    string
	mode    int64
}

// fileTree is what a node has beyond Debian, by absolute path.
type fileTree map[string]nodeFile

// nodeFiles puts together kind's files, changed where they ask for more than this machine may grant, and the programs of Kubernetes.
func nodeFiles(ctx context.Context, from ingredients) (fileTree, error) {
	tree := fileTree{
		"/kind/version":                   {content: []byte(from.version), mode: 0o644},
		"/etc/cni/net.d/10-pods.conflist": {content: podNetwork, mode: 0o644},
		"/usr/lib/kubernetes/node":        {source: from.programs[parts.Node], mode: 0o755},
		"/usr/local/bin/containerd":       {link: "/usr/bin/containerd"},
		"/usr/local/bin/ctr":              {link: "/usr/bin/ctr"},
		"/etc/kubernetes/manifests/.keep": {mode: 0o644},
		"/etc/containerd/certs.d/.keep":   {mode: 0o644},
		"/var/lib/kubelet/.keep":          {mode: 0o644},
	}
	for _, program := range []string{"kubelet", "kubeadm", "kubectl"} {
		tree["/usr/bin/"+program] = nodeFile{link: "/usr/lib/kubernetes/node"}
	}
	for _, plugin := range []string{"bridge", "host-local", "loopback", "portmap", "ptp"} {
		tree["/opt/cni/bin/"+plugin] = nodeFile{link: "/usr/lib/cni/" + plugin}
	}
	images, err := systemImages(ctx, from)
	if err != nil {
		return nil, err
	}
	if err := tree.addKindFiles(from.kindFiles, images["pause"]); err != nil {
		return nil, fmt.Errorf("read kind's files for a node: %w", err)
	}
	return tree, nil
}

func (t fileTree) addKindFiles(folder, pauseImage string) error {
	changes := map[string]func(string) string{
		"/etc/containerd/config.toml":            func(text string) string { return adaptContainerd(text, pauseImage) },
		"/etc/systemd/system/containerd.service": adaptContainerdUnit,
	}
	files := os.DirFS(folder)
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		at := "/" + name
		if change := changes[at]; change != nil {
			content = []byte(change(string(content)))
		}
		file := nodeFile{content: content, mode: 0o644}
		// Files in the module cache have lost their executable bit.
		if dir := path.Dir(at); dir == "/usr/local/bin" || dir == "/kind/bin" {
			file.mode = 0o755
		}
		t[at] = file
		return nil
	})
}

// adaptContainerd names the pause image, and gives up a base specification that kind generates at build time and the
// right to lower a container's OOM score.
func adaptContainerd(config, pause string) string {
	config = regexp.MustCompile(`(?m)^\s*base_runtime_spec = .*\n`).ReplaceAllString(config, "")
	config = regexp.MustCompile(`sandbox_image = ".*"`).ReplaceAllString(config, `sandbox_image = "`+pause+`"`)
	return strings.ReplaceAll(config, "restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
}

func adaptContainerdUnit(unit string) string {
	unit = regexp.MustCompile(`(?m)^Limit\w+=.*\n`).ReplaceAllString(unit, "")
	return regexp.MustCompile(`(?m)^OOMScoreAdjust=.*$`).ReplaceAllString(unit, "OOMScoreAdjust=0")
}

// hash stands for the tree and further ingredients.
func (t fileTree) hash(more ...string) string {
	var all [][]byte
	for _, at := range slices.Sorted(maps.Keys(t)) {
		f := t[at]
		all = append(all, []byte(fmt.Sprintf("%s %s %s %o", at, build(f.source), f.link, f.mode)), f.content)
	}
	for _, m := range more {
		all = append(all, []byte(m))
	}
	return shortHash(all...)
}

// build names the version and build of a program in the cache: its folder, wherever the cache itself is.
func build(program string) string { return filepath.Base(filepath.Dir(program)) }

// copyInto streams the tree into a container.
func (c *cluster) copyInto(ctx context.Context, container string, tree fileTree) error {
	r, w := io.Pipe()
	go func() { w.CloseWithError(tree.write(w)) }()
	_, err := c.docker.feed(ctx, r, "cp", "-", container+":/")
	return errors.Join(err, r.Close())
}

func (t fileTree) write(to io.Writer) error {
	archive := tar.NewWriter(to)
	for _, at := range slices.Sorted(maps.Keys(t)) {
		if err := t[at].write(archive, strings.TrimPrefix(at, "/")); err != nil {
			return fmt.Errorf("pack %s: %w", at, err)
		}
	}
	return archive.Close()
}

func (f nodeFile) write(archive *tar.Writer, name string) error {
	header := &tar.Header{Name: name, Mode: f.mode, Size: int64(len(f.content)), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
	var content io.Reader = bytes.NewReader(f.content)
	switch {
	case f.link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, f.link, 0o777
	case f.source != "":
		source, err := os.Open(f.source)
		if err != nil {
			return err
		}
		defer func() { _ = source.Close() }()
		info, err := source.Stat()
		if err != nil {
			return err
		}
		header.Size, content = info.Size(), source
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(archive, content)
	return err
}
