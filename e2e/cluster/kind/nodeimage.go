package kind

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rollout-dev/rollout/e2e/cluster/parts"
)

const (
	// publicNodeImage is kind's own image for a node of the same Kubernetes minor version as the one we build.
	publicNodeImage = "kindest/node:v1.35.0"
	nodeRepository  = "rollout-kind/node"
	registry        = "https://registry-1.docker.io/v2/"
	registryAnswer  = 3 * time.Second
	pullTimeout     = 10 * time.Minute
)

//go:embed node/configure.sh
var configureScript string

// nodeImage is the image a cluster's node runs.
type nodeImage struct {
	ref string
	// ownNetwork says that the image brings a pod network of its own instead of kind's.
	ownNetwork bool
}

// chooseNodeImage takes the public image where it can be had and builds one where it can't. Where CAP_SYS_RESOURCE is
// withheld the public image's container runtime wouldn't start: its unit lowers its own OOM score.
func (c *cluster) chooseNodeImage(ctx context.Context) (nodeImage, error) {
	mayRaiseLimits, err := holdsSysResource()
	if err != nil {
		return nodeImage{}, err
	}
	if mayRaiseLimits && c.havePublicImage(ctx) {
		return nodeImage{ref: publicNodeImage}, nil
	}
	ref, err := c.buildNodeImage(ctx)
	return nodeImage{ref: ref, ownNetwork: true}, err
}

func (c *cluster) havePublicImage(ctx context.Context) bool {
	if c.docker.has(ctx, "image", publicNodeImage) {
		return true
	}
	if !registryAnswers(ctx) {
		c.say("no container registry answers: the node image is built here")
		return false
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pullTimeout, fmt.Errorf("not within %s", pullTimeout))
	defer cancel()
	err := c.step("pulling "+publicNodeImage, func() error {
		_, err := c.docker.do(ctx, "pull", publicNodeImage)
		return err
	})
	if err != nil {
		c.say("%v\nthe node image is built here instead", err)
	}
	return err == nil
}

// registryAnswers reports whether anything that speaks HTTP answers; a registry says 401 to a stranger.
func registryAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, registryAnswer)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, registry, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK || response.StatusCode == http.StatusUnauthorized
}

// ingredients are what a node image is made of.
type ingredients struct {
	base string
	// programs are the paths of the parts, kindFiles the folder with kind's own files for its base image.
	programs  map[parts.Name]string
	pause     string
	kindFiles string
	// version is that of Kubernetes.
	version string
}

// buildNodeImage returns the node image built from Debian packages and Go modules, and builds it when it isn't there.
func (c *cluster) buildNodeImage(ctx context.Context) (string, error) {
	from, err := c.collect(ctx)
	if err != nil {
		return "", err
	}
	release, err := c.lock(ctx, "node-image", "builds the node image")
	if err != nil {
		return "", err
	}
	defer release()
	if from.base, err = c.nodeBase(ctx); err != nil {
		return "", err
	}
	files, err := nodeFiles(ctx, from)
	if err != nil {
		return "", err
	}
	ref := nodeRepository + ":" + files.hash(from.base, configureScript, build(from.programs[parts.ControlPlane]),
		build(from.programs[parts.Etcd]), build(from.programs[parts.CoreDNS]), build(from.pause), string(protocols))
	if c.docker.has(ctx, "image", ref) {
		return ref, nil
	}
	err = c.step("building the node image "+ref, func() error { return c.assembleNode(ctx, from, files, ref) })
	if err != nil {
		return "", fmt.Errorf("build the node image: %w", err)
	}
	c.dropOthers(ctx, nodeRepository, ref)
	c.dropOthers(ctx, baseRepository, from.base)
	return ref, nil
}

// dropOthers removes the images that ref supersedes; each takes most of a gigabyte. One that a cluster still runs stays:
// Docker refuses to remove it.
func (c *cluster) dropOthers(ctx context.Context, repository, ref string) {
	out, err := c.docker.do(ctx, "images", "--format", "{{.Repository}}:{{.Tag}}", repository)
	if err != nil {
		return
	}
	for other := range strings.FieldsSeq(out) {
		if other != ref {
			_, _ = c.docker.do(ctx, "rmi", other)
		}
	}
}

func (c *cluster) collect(ctx context.Context) (from ingredients, err error) {
	if from.programs, err = parts.Build(ctx, c.progress, parts.Node, parts.ControlPlane, parts.Etcd, parts.CoreDNS); err != nil {
		return from, err
	}
	if from.version, err = parts.Version(parts.Node); err != nil {
		return from, err
	}
	if from.pause, err = c.ownCommand(ctx, "pause", pauseSource); err != nil {
		return from, err
	}
	module, err := c.moduleFolder(ctx, kindModule)
	from.kindFiles = filepath.Join(module, "images", "base", "files")
	return from, err
}

// assembleNode copies the files into a container of the base image, lets it take in the images of the control plane, and
// makes an image of what came out.
func (c *cluster) assembleNode(ctx context.Context, from ingredients, files fileTree, ref string) (err error) {
	if err := c.removeBuilder(ctx); err != nil {
		return err
	}
	archives := filepath.Join(c.dir, "images")
	if err := os.MkdirAll(archives, 0o700); err != nil {
		return fmt.Errorf("create the folder for images: %w", err)
	}
	defer func() { err = errors.Join(err, c.removeBuilder(ctx), os.RemoveAll(archives)) }()
	_, err = c.docker.do(ctx, "run", "--detach", "--name", c.builder(), "--network", "none",
		"--volume", archives+":/images:ro", "--entrypoint", "/bin/sleep", from.base, "infinity")
	if err != nil {
		return fmt.Errorf("start a container of the base image: %w", err)
	}
	if err := c.writeSystemImages(ctx, from, c.builder(), archives); err != nil {
		return err
	}
	if err := c.copyInto(ctx, c.builder(), files); err != nil {
		return fmt.Errorf("copy the node's files: %w", err)
	}
	if _, err := c.docker.feed(ctx, strings.NewReader(configureScript), "exec", "--interactive", c.builder(), "/bin/sh"); err != nil {
		return fmt.Errorf("configure the node: %w", err)
	}
	_, err = c.docker.do(ctx, "commit", "--change", `ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]`, "--change", "CMD []",
		"--change", "ENV container=docker", c.builder(), ref)
	return err
}

// builder is the container in which a node image is made. It is known by its name, not by a label: the image would
// inherit the label, and so would every node.
func (c *cluster) builder() string { return "rollout-builder-" + c.st.Options.Name }

func (c *cluster) removeBuilder(ctx context.Context) error {
	return c.docker.removeAll(ctx, "name=^/"+c.builder()+"$")
}
