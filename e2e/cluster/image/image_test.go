package image_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/e2e/cluster/image"
)

// program writes a file that stands for a binary.
func program(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o755))
	return path
}

func build(t *testing.T, ref, binary string, opts image.Options) (archive string, img v1.Image) {
	t.Helper()
	archive = filepath.Join(t.TempDir(), "image.tar")
	require.NoError(t, image.Build(archive, ref, binary, opts))
	img, err := tarball.ImageFromPath(archive, nil)
	require.NoError(t, err)
	return archive, img
}

func files(t *testing.T, img v1.Image) map[string]*tar.Header {
	t.Helper()
	layers, err := img.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	content, err := layers[0].Uncompressed()
	require.NoError(t, err)
	found := map[string]*tar.Header{}
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		found["/"+header.Name] = header
	}
}

func TestAnImageRunsItsBinaryAsNonroot(t *testing.T) {
	t.Parallel()
	_, img := build(t, "example.com/app:dev", program(t, "app", "binary"), image.Options{})
	config, err := img.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, []string{"/usr/local/bin/app"}, config.Config.Entrypoint)
	require.Equal(t, image.Nonroot, config.Config.User)
	require.EqualValues(t, 0o755, files(t, img)["/usr/local/bin/app"].Mode)
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	binary := program(t, "app", "binary")
	first, _ := build(t, "app:dev", binary, image.Options{})
	later := filepath.Join(t.TempDir(), "app")
	require.NoError(t, os.WriteFile(later, []byte("binary"), 0o700))
	second, _ := build(t, "app:dev", later, image.Options{})
	a, err := os.ReadFile(first)
	require.NoError(t, err)
	b, err := os.ReadFile(second)
	require.NoError(t, err)
	require.Equal(t, a, b)
}

func TestImagesThatDifferInTheirFirstNameShareTheirLayer(t *testing.T) {
	t.Parallel()
	binary := program(t, "many", "binary")
	_, one := build(t, "one:dev", binary, image.Options{Names: []string{"one", "two"}})
	_, two := build(t, "two:dev", binary, image.Options{Names: []string{"two", "one"}})
	require.Equal(t, layer(t, one), layer(t, two))
	require.Equal(t, "many", files(t, two)["/usr/local/bin/two"].Linkname)
	config, err := two.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, []string{"/usr/local/bin/two"}, config.Config.Entrypoint)
}

func layer(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	layers, err := img.Layers()
	require.NoError(t, err)
	digest, err := layers[0].Digest()
	require.NoError(t, err)
	return digest
}

func TestFurtherFilesKeepTheirExecutableBit(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(data, []byte("data"), 0o600))
	_, img := build(t, "app:dev", program(t, "app", "binary"),
		image.Options{Files: map[string]string{"/etc/data": data, "/usr/sbin/tool": program(t, "tool", "tool")}})
	found := files(t, img)
	require.EqualValues(t, 0o644, found["/etc/data"].Mode)
	require.EqualValues(t, 0o755, found["/usr/sbin/tool"].Mode)
}

func TestABadReferenceIsRefusedByName(t *testing.T) {
	t.Parallel()
	err := image.Build(filepath.Join(t.TempDir(), "x.tar"), "No Good", program(t, "app", ""), image.Options{})
	require.ErrorContains(t, err, `"No Good"`)
}

func TestAFailedBuildLeavesNoArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Error(t, image.Build(filepath.Join(dir, "x.tar"), "app:dev", filepath.Join(dir, "missing"), image.Options{}))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
