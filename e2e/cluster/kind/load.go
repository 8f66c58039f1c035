package kind

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

const (
	loadTimeout = 2 * time.Minute
	// managed is the label that containerd's Kubernetes plugin puts on an image once kubelet can see it.
	managed = "io.cri-containerd.image=managed"
)

// LoadImage puts the images of an archive in the format of `docker save` onto the cluster's node, and returns when
// kubelet finds them there. Their pods want imagePullPolicy IfNotPresent or Never.
func LoadImage(ctx context.Context, st state.State, archive string) error {
	c, err := running(st, io.Discard)
	if err != nil {
		return err
	}
	return c.load(ctx, archive)
}

// running is a cluster that is up.
func running(st state.State, progress io.Writer) (*cluster, error) {
	client, err := findProgram("docker")
	if err != nil {
		return nil, err
	}
	c := newCluster(st, progress)
	c.docker = docker{journal: c.journal, client: client, host: st.Details[detailDocker]}
	return c, nil
}

func (c *cluster) load(ctx context.Context, archive string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, loadTimeout, fmt.Errorf("not within %s", loadTimeout))
	defer cancel()
	refs, err := referencesIn(archive)
	if err != nil {
		return fmt.Errorf("read image archive %s: %w", archive, err)
	}
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("open image archive: %w", err)
	}
	defer func() { _ = f.Close() }()
	if _, err := c.docker.feed(ctx, f, "exec", "--interactive", c.node(), "ctr", "--namespace", "k8s.io", "images", "import", "-"); err != nil {
		return fmt.Errorf("load %s into cluster %s: %w", archive, c.st.Options.Name, err)
	}
	return poll(ctx, "images "+strings.Join(refs, ", ")+" to be usable", func(ctx context.Context) error {
		out, err := c.docker.do(ctx, "exec", c.node(), "ctr", "--namespace", "k8s.io", "images", "list", "labels."+quoted(managed))
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if !slices.Contains(strings.Fields(out), ref) {
				return fmt.Errorf("%s is not there", ref)
			}
		}
		return nil
	})
}

// quoted writes key=value as a filter of containerd wants it.
func quoted(label string) string {
	key, value, _ := strings.Cut(label, "=")
	return fmt.Sprintf("%q==%q", key, value)
}

func referencesIn(archive string) ([]string, error) {
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(archive) })
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, entry := range manifest {
		for _, tag := range entry.RepoTags {
			ref, err := fullName(tag)
			if err != nil {
				return nil, err
			}
			refs = append(refs, ref)
		}
	}
	if len(refs) == 0 {
		return nil, fmt.Errorf("no tagged image in it")
	}
	return refs, nil
}

// fullName is the name under which a node knows an image: what an archive calls "app:dev" is docker.io/library/app:dev there.
func fullName(tag string) (string, error) {
	ref, err := name.ParseReference(tag)
	if err != nil {
		return "", err
	}
	return strings.Replace(ref.Name(), name.DefaultRegistry, "docker.io", 1), nil
}
