package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// sandboxStage runs the controller as a process of this machine.
type sandboxStage struct {
	cluster    *cluster
	programs   string
	dir        string
	controller *child
	file       *os.File
}

const controllerGrace = 10 * time.Second

func (s *sandboxStage) install(context.Context) error {
	var err error
	if s.file, err = os.Create(filepath.Join(s.dir, "rollout-controller.log")); err != nil {
		return fmt.Errorf("create the controller's log: %w", err)
	}
	// Not bound to a context: it is stopped by close.
	command := exec.Command(filepath.Join(s.programs, "rollout-controller"), //nolint:noctx // See above.
		"--kubeconfig", s.cluster.kubeconfig, "--prometheus-address", s.cluster.urls.Prometheus,
		// Nobody competes for the lease, and nobody asks for health or metrics: any port will do.
		"--leader-elect=false", "--health-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0", "--log-format=console")
	command.Stdout, command.Stderr = s.file, s.file
	s.controller, err = start(command)
	return err
}

func (s *sandboxStage) image() string { return "checkout" }

func (s *sandboxStage) settle() int { return 1 }

func (s *sandboxStage) clients() clients {
	return simulatedClients{url: s.cluster.urls.Traffic, route: appName}
}

func (s *sandboxStage) broken() <-chan struct{} { return s.controller.done }

func (s *sandboxStage) log(context.Context) string {
	if s.file == nil {
		return ""
	}
	text, err := os.ReadFile(s.file.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (s *sandboxStage) close() error {
	if s.controller == nil {
		return nil
	}
	select {
	case <-s.controller.done:
		return nil // That it ended was noticed where it mattered.
	default:
	}
	if err := s.controller.stop(controllerGrace); err != nil {
		return fmt.Errorf("stop the controller: %w", err)
	}
	return s.file.Close()
}
