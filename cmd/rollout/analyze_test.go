package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnalyzeRefusesAFileWithAMistakeInAProvider(t *testing.T) {
	const metric = `{name: checks, threshold: {min: "1"}, provider: {web: {url: "http://web/", jsonPaht: "{.a}"}}}`
	for field, text := range map[string]string{
		"spec.analysis.metrics[0]": "apiVersion: rollout.dev/v1alpha1\nkind: AnalysisRun\nmetadata: {name: a}\nspec: {analysis: {metrics: [" + metric + "]}}",
		"spec.metrics[0]":          "apiVersion: rollout.dev/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: a}\nspec: {metrics: [" + metric + "]}",
	} {
		file := filepath.Join(t.TempDir(), "analysis.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		got := invoke(t, newAPIServer(t), "analyze", "-f", file)
		require.NotZero(t, got.code)
		require.Contains(t, got.errOut, "-f "+file+": "+field+".provider.web.jsonPaht is a text, and there is no such field; did you mean jsonPath?")
	}
}
