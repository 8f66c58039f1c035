package kind

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/rollout-dev/rollout/e2e/cluster/cache"
)

const (
	kindModule       = "sigs.k8s.io/kind"
	gatewayAPIModule = "sigs.k8s.io/gateway-api"
)

var (
	//go:embed pause/main.go
	pauseSource []byte
	//go:embed runcwrap/main.go
	runcwrapSource []byte
)

// linkedModule is the module as it is linked into this program, so that its other files, which no Go package carries,
// come from the same version as its code.
func linkedModule(path string) (*debug.Module, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("this program carries no build information: build it with Go modules")
	}
	for _, module := range info.Deps {
		if module.Path == path {
			return module, nil
		}
	}
	return nil, fmt.Errorf("module %s is not linked into this program", path)
}

// moduleFolder returns the folder of a linked module in the module cache, and downloads it when it isn't there.
func (j journal) moduleFolder(ctx context.Context, path string) (string, error) {
	module, err := linkedModule(path)
	if err != nil {
		return "", err
	}
	// The checksum is compared below with the one this program was built with, which is as good as the checksum database.
	out, err := j.run(ctx, program{path: "go", args: []string{"mod", "download", "-json", module.Path + "@" + module.Version},
		dir: os.TempDir(), env: []string{"GOFLAGS=", "GOWORK=off", "GOSUMDB=off"}})
	if err != nil {
		return "", fmt.Errorf("fetch module %s: %w", path, err)
	}
	var found struct{ Dir, Sum string }
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		return "", fmt.Errorf("read the answer about module %s: %w", path, err)
	}
	if found.Sum != module.Sum {
		return "", fmt.Errorf("module %s@%s has checksum %s, want %s", path, module.Version, found.Sum, module.Sum)
	}
	return found.Dir, nil
}

// kindCommand builds the kind command from its own module, with the dependencies its authors chose.
func (j journal) kindCommand(ctx context.Context) (string, error) {
	module, err := linkedModule(kindModule)
	if err != nil {
		return "", err
	}
	return j.goBuild(ctx, "kind-"+module.Version, "kind", func(context.Context) (string, string, error) {
		dir, err := j.moduleFolder(ctx, kindModule)
		return dir, ".", err
	})
}

// ownCommand builds a program of ours whose only source file is given; it uses the standard library alone.
func (j journal) ownCommand(ctx context.Context, name string, source []byte) (string, error) {
	return j.goBuild(ctx, name+"-"+shortHash(source), name, func(context.Context) (string, string, error) {
		dir := filepath.Join(j.dir, "sources", name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", "", err
		}
		return dir, "main.go", os.WriteFile(filepath.Join(dir, "main.go"), source, 0o600)
	})
}

// goBuild returns the path of a static program in the cache; prepare names the folder and package to build it from.
func (j journal) goBuild(ctx context.Context, entry, name string, prepare func(context.Context) (dir, pkg string, err error)) (string, error) {
	target, err := cache.Dir("parts", entry, name)
	if err != nil {
		return "", err
	}
	if isFile(target) {
		return target, nil
	}
	release, err := j.lock(ctx, "part-"+entry, "builds "+name)
	if err != nil {
		return "", err
	}
	defer release()
	if isFile(target) {
		return target, nil
	}
	dir, pkg, err := prepare(ctx)
	if err != nil {
		return "", fmt.Errorf("prepare the build of %s: %w", name, err)
	}
	err = j.step("building "+name, func() error {
		_, err := j.run(ctx, program{path: "go", dir: dir, env: []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off"},
			args: []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", target + ".new", pkg}})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return target, os.Rename(target+".new", target)
}

// lock keeps other commands from the same work; does says what one that holds the lock does.
func (j journal) lock(ctx context.Context, name, does string) (release func(), err error) {
	path, err := cache.Dir("locks", name)
	if err != nil {
		return nil, err
	}
	return cache.Lock(ctx, path, func() { j.say("waiting for another command that %s", does) })
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// shortHash tells different contents apart in names.
func shortHash(contents ...[]byte) string {
	sum := sha256.New()
	for _, content := range contents {
		_, _ = fmt.Fprintf(sum, "%d\n", len(content))
		_, _ = sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}
