package kind

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollout-dev/rollout/e2e/cluster/image"
	"github.com/rollout-dev/rollout/e2e/cluster/parts"
)

// protocols are the numbers that nft knows names for only with this file. Without it nft prints numbers, and a kube-proxy that
// starts next to rules of its own can't read them: from then on every Service refuses connections.
//
//go:embed node/protocols
var protocols []byte

// rootUser runs what reads the cluster's keys and writes to the node's disk, as kubeadm's manifests expect.
const rootUser = "0:0"

// systemImages asks kubeadm which images it will use, and returns them by the last word of their name, such as "kube-proxy".
// Nothing can be pulled, so exactly these have to be there.
func systemImages(ctx context.Context, from ingredients) (map[string]string, error) {
	kubeadm := exec.CommandContext(ctx, from.programs[parts.Node], "config", "images", "list", "--kubernetes-version", from.version)
	kubeadm.Args[0] = "kubeadm"
	out, err := kubeadm.Output()
	if err != nil {
		return nil, fmt.Errorf("ask kubeadm for its images: %w", err)
	}
	images := map[string]string{}
	for ref := range strings.FieldsSeq(string(out)) {
		name, _, _ := strings.Cut(path.Base(ref), ":")
		images[name] = ref
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd", "coredns", "pause"} {
		if images[name] == "" {
			return nil, fmt.Errorf("kubeadm names no image %s in %q", name, out)
		}
	}
	return images, nil
}

// writeSystemImages writes an archive per image of the control plane.
func (c *cluster) writeSystemImages(ctx context.Context, from ingredients, builder, dir string) error {
	refs, err := systemImages(ctx, from)
	if err != nil {
		return err
	}
	nft, err := c.copyNft(ctx, builder, filepath.Join(dir, "nft"))
	if err != nil {
		return fmt.Errorf("take nft from the base image for kube-proxy: %w", err)
	}
	type recipe struct {
		binary string
		opts   image.Options
	}
	controlPlane := []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"}
	recipes := map[string]recipe{
		"kube-proxy": {from.programs[parts.Node], image.Options{User: rootUser, Names: []string{"kube-proxy"}, Files: nft}},
		"etcd":       {from.programs[parts.Etcd], image.Options{User: rootUser}},
		"coredns":    {from.programs[parts.CoreDNS], image.Options{User: rootUser}},
		"pause":      {from.pause, image.Options{}},
	}
	for i, name := range controlPlane {
		// All three images carry all three names, so that they share one layer; the first name is the entry point.
		names := append([]string{name}, slices.Delete(slices.Clone(controlPlane), i, i+1)...)
		recipes[name] = recipe{from.programs[parts.ControlPlane], image.Options{User: rootUser, Names: names}}
	}
	for name, r := range recipes {
		if err := image.Build(filepath.Join(dir, name+".tar"), refs[name], r.binary, r.opts); err != nil {
			return err
		}
	}
	return nil
}

// copyNft copies nft, the libraries it is linked with and their loader out of the builder container, and returns them and
// the names of protocols by the path they have to have in an image. kube-proxy calls nft for every change.
func (c *cluster) copyNft(ctx context.Context, builder, dir string) (map[string]string, error) {
	const nft = "/usr/sbin/nft"
	linked, err := c.docker.do(ctx, "exec", builder, "ldd", nft)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, at := range append(librariesIn(linked), nft) {
		to := filepath.Join(dir, path.Base(at))
		// --follow-link: in Debian a library's name is a link to the file, and an image with the bare link has nothing.
		if _, err := c.docker.do(ctx, "cp", "--follow-link", builder+":"+at, to); err != nil {
			return nil, err
		}
		files[at] = to
	}
	names := filepath.Join(dir, "protocols")
	if err := os.WriteFile(names, protocols, 0o600); err != nil {
		return nil, err
	}
	files["/etc/protocols"] = names
	return files, nil
}

// librariesIn takes the absolute paths out of what ldd prints: "libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x7f…)", and
// the loader without an arrow.
func librariesIn(ldd string) []string {
	var libraries []string
	for field := range strings.FieldsSeq(ldd) {
		if strings.HasPrefix(field, "/") {
			libraries = append(libraries, field)
		}
	}
	return libraries
}
