package main

import (
	"errors"
	"fmt"
	"strings"
)

// The exit codes, as the help of status documents them.
const (
	exitFailure     = 1
	exitPaused      = 2
	exitDegraded    = 3
	exitTimeout     = 4
	exitProgressing = 5
)

// exitError ends the program with a code of its own. Without a message everything has been said already.
type exitError struct {
	code    int
	message string
}

func (e *exitError) Error() string { return e.message }

// exit prints an error and returns the exit code for it.
func (p *program) exit(err error) int {
	if err == nil {
		return 0
	}
	code := exitFailure
	if coded, ok := errors.AsType[*exitError](err); ok {
		code = coded.code
	}
	if message := oneLine(err.Error()); message != "" {
		fmt.Fprintln(p.streams.ErrOut, "error: "+message)
	}
	return code
}

// oneLine joins the lines of an error, some of which servers and libraries break.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
