#!/usr/bin/env bash
# Prints the path of a tool that hack/tools/go.mod pins, and builds it first if that version was never built here.
set -euo pipefail
cd "$(dirname "$0")/tools"
name=$1
package=$(go list -f '{{.ImportPath}}' tool | grep "/$name\$") || {
  echo "hack/tool.sh: hack/tools/go.mod pins no tool named $name" >&2
  exit 1
}
version=$(cat go.mod go.sum <(go env GOVERSION GOOS GOARCH) | sha256sum | cut -c1-16)
binary=${XDG_CACHE_HOME:-$HOME/.cache}/rollout-tools/$version/$name
if [ ! -x "$binary" ]; then
  echo "building $name, once for this version (golangci-lint takes some minutes)" >&2
  mkdir -p "$(dirname "$binary")"
  # Each package is a line of -v; one line per hundred shows that it goes on without filling a log.
  CGO_ENABLED=0 go build -v -trimpath -ldflags='-s -w' -o "$binary.$$" "$package" 2> >(awk -v name="$name" '
    /^go: downloading / { next }
    /[ :]/ { print; next }
    ++n % 100 == 0 { print "  " name ": " n " packages compiled" }' >&2)
  mv "$binary.$$" "$binary"
fi
echo "$binary"
