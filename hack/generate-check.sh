#!/usr/bin/env bash
# Generates everything into a temporary directory and fails if the checkout holds anything else.
set -euo pipefail
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

hack/generate.sh "$fresh"
drift=0
while read -r file; do
  diff -u --label "$file in the checkout" --label "$file as generated" "$file" "$fresh/$file" || drift=1
done < <(cd "$fresh" && find . -type f -printf '%P\n')
if [ "$drift" = 1 ]; then
  echo "generated files differ from their source: run make generate and commit the result" >&2
  exit 1
fi
