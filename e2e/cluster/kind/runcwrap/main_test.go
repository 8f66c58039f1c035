package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const process = `{"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"]},` +
	`"oomScoreAdj":-999,"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615,"soft":1}],"args":["sh"]}`

const relaxed = `{"capabilities":{"bounding":["CAP_CHOWN"],"effective":[]},"oomScoreAdj":0,"args":["sh"]}`

func write(t *testing.T, name, content string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

func TestAContainerIsCreatedWithoutWhatIsWithheld(t *testing.T) {
	t.Parallel()
	bundle := write(t, "config.json", `{"process":`+process+`,"linux":{"resources":{"memory":{"limit":9223372036854771712}}}}`)
	require.NoError(t, amend([]string{"--root", "/run/x", "--log-format", "json", "create", "--bundle", bundle, "--pid-file", "p", "id"}))
	require.JSONEq(t, `{"process":`+relaxed+`,"linux":{"resources":{"memory":{"limit":9223372036854771712}}}}`, read(t, filepath.Join(bundle, "config.json")))
	require.Contains(t, read(t, filepath.Join(bundle, "config.json")), "9223372036854771712")
}

func TestAProcessJoinsAContainerWithoutWhatIsWithheld(t *testing.T) {
	t.Parallel()
	file := filepath.Join(write(t, "process.json", process), "process.json")
	require.NoError(t, amend([]string{"exec", "--process=" + file, "--detach", "id"}))
	require.JSONEq(t, relaxed, read(t, file))
}

func TestAPositiveOOMScoreStays(t *testing.T) {
	t.Parallel()
	file := filepath.Join(write(t, "process.json", `{"oomScoreAdj":500}`), "process.json")
	require.NoError(t, amend([]string{"exec", "-p", file, "id"}))
	require.JSONEq(t, `{"oomScoreAdj":500}`, read(t, file))
}

func TestOtherCommandsAreHandedOnUntouched(t *testing.T) {
	t.Parallel()
	bundle := write(t, "config.json", `{"process":`+process+`}`)
	require.NoError(t, amend([]string{"start", "id"}))
	require.NoError(t, amend([]string{"delete", "--bundle", bundle, "id"}))
	require.Contains(t, read(t, filepath.Join(bundle, "config.json")), withheld)
}
