// Command runcwrap runs runc on a machine that withholds CAP_SYS_RESOURCE. Docker asks for every capability, for resource
// limits and for a lower OOM score on behalf of a privileged container; runc then fails with "unable to apply caps",
// because nobody can hand on what they don't hold. This wrapper takes those wishes out of what it is handed and lets runc
// do the rest. Docker knows it as its default runtime.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const withheld = "CAP_SYS_RESOURCE"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "runcwrap: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if err := amend(args); err != nil {
		return err
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return fmt.Errorf("find runc: %w", err)
	}
	return syscall.Exec(runc, append([]string{"runc"}, args...), os.Environ()) //nolint:gosec // handing the arguments on is all it is for
}

// amend edits the file that describes the process to start: a container's on create and run, a lone process's on exec.
func amend(args []string) error {
	switch {
	case slices.Contains(args, "create"), slices.Contains(args, "run"):
		bundle := flagValue(args, "--bundle", "-b")
		return edit(filepath.Join(bundle, "config.json"), func(spec map[string]any) {
			if process, ok := spec["process"].(map[string]any); ok {
				relax(process)
			}
		})
	case slices.Contains(args, "exec"):
		if file := flagValue(args, "--process", "-p"); file != "" {
			return edit(file, relax)
		}
	}
	return nil
}

func flagValue(args []string, names ...string) string {
	for i, arg := range args {
		for _, name := range names {
			if value, found := strings.CutPrefix(arg, name+"="); found {
				return value
			}
			if arg == name && i+1 < len(args) {
				return args[i+1]
			}
		}
	}
	return ""
}

// relax drops from a process of the OCI runtime specification what only CAP_SYS_RESOURCE may do.
func relax(process map[string]any) {
	if sets, ok := process["capabilities"].(map[string]any); ok {
		for name, set := range sets {
			if list, ok := set.([]any); ok {
				sets[name] = slices.DeleteFunc(list, func(capability any) bool { return capability == withheld })
			}
		}
	}
	if score, ok := process["oomScoreAdj"].(json.Number); ok && strings.HasPrefix(score.String(), "-") {
		process["oomScoreAdj"] = 0
	}
	delete(process, "rlimits")
}

// edit keeps numbers as they are written: a limit such as 18446744073709551615 doesn't survive a float.
func edit(file string, change func(map[string]any)) error {
	raw, err := os.ReadFile(file) //nolint:gosec // Docker names the file, and could as well call runc itself
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var document map[string]any
	if err := decoder.Decode(&document); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	change(document)
	if raw, err = json.Marshal(document); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.WriteFile(file, raw, 0o600) //nolint:gosec // the file that was read
}
