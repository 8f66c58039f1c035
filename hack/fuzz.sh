#!/usr/bin/env bash
# Runs every fuzz test of the root module for the time $1, one after the other: go test fuzzes one function at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rlE --include='*_test.go' --exclude-dir=cluster '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r package; do
  for name in $(go test -list '^Fuzz' "$package" | grep '^Fuzz'); do
    echo "== $package $name"
    go test -run '^$' -fuzz "^$name\$" -fuzztime "$1" "$package"
  done
done
