package engine

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
)

func TestLoggerHasTheLevelItWasAskedFor(t *testing.T) {
	t.Cleanup(klog.ClearLogger)
	for _, format := range []string{"json", "console"} {
		log, err := NewLogger(format, "warn")
		require.NoError(t, err)
		require.Equal(t, zapcore.WarnLevel, log.Level())
	}
}

func TestUnknownLogSettingsAreRefusedWithTheChoices(t *testing.T) {
	_, err := NewLogger("xml", "info")
	require.EqualError(t, err, `log format "xml" is unknown: use json or console`)
	_, err = NewLogger("json", "panic")
	require.EqualError(t, err, `log level "panic" is unknown: use debug, info, warn or error`)
}

func TestWhatClientGoLogsGoesToTheSameLog(t *testing.T) {
	t.Cleanup(klog.ClearLogger)
	core, logs := observer.New(zap.InfoLevel)
	routeKlog(zap.New(core))
	klog.Background().Info("Caches populated", "type", "ReplicaSet")
	klog.Background().V(4).Info("chatter")
	utilruntime.HandleErrorWithContext(t.Context(), errors.New("refused"), "Failed to watch")

	lines := logs.All()
	require.Len(t, lines, 2)
	require.Equal(t, "Caches populated", lines[0].Message)
	require.Equal(t, "client-go", lines[0].LoggerName)
	require.Equal(t, "ReplicaSet", lines[0].ContextMap()["type"])
	require.Equal(t, zapcore.ErrorLevel, lines[1].Level)
}
