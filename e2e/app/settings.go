package main

import (
	"fmt"
	"strconv"
	"time"
)

const (
	address              = ":8080"
	defaultShutdownDelay = 5 * time.Second
)

// settings are what the environment makes of the application.
type settings struct {
	// version is what the application says it is (VERSION).
	version string
	// pod is the name of the pod, which is its host name.
	pod string
	// errorRate is the share of requests, 0 to 1, that is answered with status 500 (ERROR_RATE).
	errorRate float64
	// latency is how much longer than needed every answer takes (LATENCY).
	latency time.Duration
	// startDelay is how long the application isn't ready after its start (START_DELAY).
	startDelay time.Duration
	// shutdownDelay is how long it goes on answering after it was told to end (SHUTDOWN_DELAY).
	shutdownDelay time.Duration
}

func readSettings(getenv func(string) string) (settings, error) {
	s := settings{version: getenv("VERSION"), shutdownDelay: defaultShutdownDelay}
	if s.version == "" {
		s.version = "unknown"
	}
	if text := getenv("ERROR_RATE"); text != "" {
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil || !(rate >= 0 && rate <= 1) {
			return s, fmt.Errorf("ERROR_RATE is %q: want a share from 0 to 1, for example 0.5", text)
		}
		s.errorRate = rate
	}
	for name, into := range map[string]*time.Duration{
		"LATENCY": &s.latency, "START_DELAY": &s.startDelay, "SHUTDOWN_DELAY": &s.shutdownDelay,
	} {
		text := getenv(name)
		if text == "" {
			continue
		}
		duration, err := time.ParseDuration(text)
		if err != nil || duration < 0 {
			return s, fmt.Errorf("%s is %q: want a time of 0s or more with a unit, for example 800ms", name, text)
		}
		*into = duration
	}
	return s, nil
}
