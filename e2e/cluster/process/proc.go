package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// identify names a process by the boot of the machine and the clock tick the process was started at: together with
// the PID that is unique, however fast PIDs are reused. ended is true for a process that has exited and waits to be
// collected by its parent. See proc_pid_stat(5), fields 3 (state) and 22 (starttime).
func identify(pid int) (identity string, ended bool, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false, fmt.Errorf("read the boot id: %w", err)
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", false, fmt.Errorf("read the state of process %d: %w", pid, err)
	}
	status, started, err := parseStat(stat)
	if err != nil {
		return "", false, fmt.Errorf("read the state of process %d: %w", pid, err)
	}
	return strings.TrimSpace(string(boot)) + "/" + started, status == "Z" || status == "X", nil
}

// parseStat takes the fields after the last parenthesis: the program's name before it may itself hold spaces and
// parentheses.
func parseStat(stat []byte) (status, started string, err error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return "", "", fmt.Errorf("no program name in %q", stat)
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 20 {
		return "", "", fmt.Errorf("%d fields in %q, want at least 20 after the name", len(fields), stat)
	}
	return fields[0], fields[19], nil
}

// Marked finds every running process that carries the mark, whoever started it, except the caller itself.
func Marked(mark string) ([]Process, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	wanted := []byte(MarkVariable + "=" + mark)
	var found []Process
	for _, path := range paths {
		environment, err := os.ReadFile(path)
		if err != nil || !contains(bytes.Split(environment, []byte{0}), wanted) {
			continue // Ended meanwhile, or another user's: not ours in either case.
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if identity, ended, err := identify(pid); err == nil && !ended {
			found = append(found, Process{Name: "process " + strconv.Itoa(pid), PID: pid, Identity: identity})
		}
	}
	return found, nil
}

func contains(variables [][]byte, wanted []byte) bool {
	for _, v := range variables {
		if bytes.Equal(v, wanted) {
			return true
		}
	}
	return false
}

// Resident is the memory in bytes that the process holds in RAM, 0 when it cannot be told.
func (p Process) Resident() int64 {
	statm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "statm"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// tailWindow bounds what Tail reads: a log may have grown to gigabytes.
const tailWindow = 64 << 10

// Tail returns the last lines of a file, or a remark in parentheses when there are none.
func Tail(path string, lines int) string {
	content, err := readEnd(path)
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	all := strings.Split(strings.TrimSpace(string(content)), "\n")
	if len(all) == 1 && all[0] == "" {
		return "(empty)"
	}
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func readEnd(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat %s: %w", path, err)
	}
	buffer := make([]byte, min(info.Size(), tailWindow))
	n, err := file.ReadAt(buffer, info.Size()-int64(len(buffer)))
	if err != nil {
		return buffer[:n], fmt.Errorf("read %s: %w", path, err)
	}
	return buffer, nil
}
