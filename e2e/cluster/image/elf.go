package image

import (
	"debug/elf"
	"fmt"
	"runtime"
)

var architectures = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_ARM: "arm", elf.EM_RISCV: "riscv64"}

// architecture is what the binary was built for, as images name it; a file that is not ELF counts as built for this machine.
func architecture(binary string) string {
	f, err := elf.Open(binary)
	if err != nil {
		return runtime.GOARCH
	}
	defer func() { _ = f.Close() }()
	if arch, known := architectures[f.Machine]; known {
		return arch
	}
	return runtime.GOARCH
}

// checkStatic refuses a binary that asks for a loader: in an image without one it dies with "no such file or directory",
// which sends people looking for the binary itself.
func checkStatic(binary string) error {
	f, err := elf.Open(binary)
	if err != nil {
		return fmt.Errorf("binary %s: want a Linux executable: %w", binary, err)
	}
	defer func() { _ = f.Close() }()
	for _, segment := range f.Progs {
		if segment.Type == elf.PT_INTERP {
			return fmt.Errorf("binary %s is linked dynamically: build it with CGO_ENABLED=0", binary)
		}
	}
	return nil
}
