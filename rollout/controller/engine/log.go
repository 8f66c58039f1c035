package engine

import (
	"fmt"

	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

// NewLogger returns a logger that writes to stderr in the given format (json or console) from the given level on (debug,
// info, warn or error), and makes client-go log into it as well. Call it once, before anything of client-go runs:
// klog's logger belongs to the process. Nothing is sampled away, since after a failure the one line that is missing
// is the one that was needed.
func NewLogger(format, level string) (*zap.Logger, error) {
	config := zap.NewProductionConfig()
	config.Sampling = nil
	config.DisableStacktrace = true // An error says where it comes from in words; a panic logs its own stack.
	config.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	config.EncoderConfig.TimeKey = "time"
	switch format {
	case "json":
	case "console":
		config.Encoding = format
		config.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
	default:
		return nil, fmt.Errorf("log format %q is unknown: use json or console", format)
	}
	switch level {
	case "debug", "info", "warn", "error":
	default:
		return nil, fmt.Errorf("log level %q is unknown: use debug, info, warn or error", level)
	}
	if err := config.Level.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: %w", level, err)
	}
	log, err := config.Build()
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	routeKlog(log)
	return log, nil
}

// routeKlog sends what client-go logs to log. klog's verbosity n arrives as zap level -n, so that level debug shows V(1).
func routeKlog(log *zap.Logger) {
	klog.SetLoggerWithOptions(zapr.NewLogger(log.Named("client-go")), klog.ContextualLogger(true))
}
