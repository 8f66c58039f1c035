// Package image writes container images that hold one static binary and next to nothing else. They need no registry, no
// Docker and no base image: an archive written here goes straight into a node.
package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	// Nonroot is the user and group that an image runs as unless its options say otherwise; distroless images use the same number.
	Nonroot = "65532:65532"

	binDir         = "/usr/local/bin"
	searchPath     = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	certificates   = "/etc/ssl/certs/ca-certificates.crt"
	directoryMode  = 0o755
	executableMode = 0o755
	dataMode       = 0o644
)

// Options are what an image may have beyond its binary. The zero value is an image that runs its binary as Nonroot.
type Options struct {
	// User is "uid:gid" or "uid"; empty means Nonroot.
	User string
	// Names are the names under which a binary that acts as the program it is called as is found in /usr/local/bin, the
	// first of them being the entry point. Empty means the file name of the binary.
	Names []string
	// Files are further files, by their absolute path in the image.
	Files map[string]string
	// CACertificates is a PEM bundle for TLS clients in the image; empty leaves it out.
	CACertificates string
}

// Build writes the image ref that runs binary to archive, in the format of `docker save`. The same input gives the same
// bytes. The binary has to be static: the image holds no loader and no library unless Options.Files brings them.
func Build(archive, ref, binary string, opts Options) error {
	tag, err := name.NewTag(ref)
	if err != nil {
		return fmt.Errorf("image reference %q: %w", ref, err)
	}
	img, err := assemble(binary, opts)
	if err != nil {
		return fmt.Errorf("assemble image %s: %w", ref, err)
	}
	if err := writeWhole(archive, func(w io.Writer) error { return tarball.Write(tag, img, w) }); err != nil {
		return fmt.Errorf("write image %s: %w", ref, err)
	}
	return nil
}

// writeWhole writes a file beside path and renames it, so that a reader never meets half an archive.
func writeWhole(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func assemble(binary string, opts Options) (v1.Image, error) {
	entries, err := layout(binary, opts)
	if err != nil {
		return nil, err
	}
	// Left uncompressed: the archive travels over a pipe on one machine, and packing a hundred megabytes costs seconds.
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeTar(w, entries)) }()
		return r, nil
	}, tarball.WithCompression(compression.None))
	if err != nil {
		return nil, fmt.Errorf("build the layer: %w", err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("append the layer: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the config: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture(binary)
	config.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	config.Config.Env = []string{searchPath}
	config.Config.Entrypoint = []string{path.Join(binDir, programs(binary, opts)[0])}
	config.Config.WorkingDir = "/"
	config.Config.User = opts.User
	if opts.User == "" {
		config.Config.User = Nonroot
	}
	return mutate.ConfigFile(img, config)
}

func programs(binary string, opts Options) []string {
	if len(opts.Names) == 0 {
		return []string{filepath.Base(binary)}
	}
	return opts.Names
}

// entry is one file of an image: either a copy of source or a symbolic link to link.
type entry struct {
	source, link string
	mode         int64
}

// layout lists the files of the image by path. A binary with several names is stored once, under its own file name, with
// links to it: images that differ in their names alone then share the layer's bytes.
func layout(binary string, opts Options) (map[string]entry, error) {
	own := path.Join(binDir, filepath.Base(binary))
	entries := map[string]entry{own: {source: binary, mode: executableMode}}
	for _, program := range opts.Names {
		if program == "" || strings.ContainsRune(program, '/') {
			return nil, fmt.Errorf("name %q: want a plain file name in %s", program, binDir)
		}
		if at := path.Join(binDir, program); at != own {
			entries[at] = entry{link: filepath.Base(binary)}
		}
	}
	if opts.CACertificates != "" {
		entries[certificates] = entry{source: opts.CACertificates, mode: dataMode}
	}
	for at, source := range opts.Files {
		if !path.IsAbs(at) {
			return nil, fmt.Errorf("file %q: want an absolute path in the image", at)
		}
		mode, err := modeOf(source)
		if err != nil {
			return nil, err
		}
		entries[path.Clean(at)] = entry{source: source, mode: mode}
	}
	return entries, nil
}

func modeOf(file string) (int64, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	if info.Mode()&0o111 != 0 {
		return executableMode, nil
	}
	return dataMode, nil
}

// writeTar writes the entries and every directory above them in a fixed order, owned by root and without a date.
func writeTar(w io.Writer, entries map[string]entry) error {
	t := tar.NewWriter(w)
	for _, at := range withParents(entries) {
		e, isFile := entries[at]
		header := &tar.Header{Name: strings.TrimPrefix(at, "/"), Mode: e.mode, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		switch {
		case !isFile:
			header.Typeflag, header.Name, header.Mode = tar.TypeDir, header.Name+"/", directoryMode
		case e.link != "":
			header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.link, 0o777
		default:
			header.Typeflag = tar.TypeReg
			if err := copyFile(t, header, e.source); err != nil {
				return err
			}
			continue
		}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
	}
	return t.Close()
}

func copyFile(t *tar.Writer, header *tar.Header, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

func withParents(entries map[string]entry) []string {
	var paths []string
	for at := range entries {
		for ; at != "/"; at = path.Dir(at) {
			paths = append(paths, at)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
