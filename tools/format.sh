#!/usr/bin/env bash
# Formats the C++ sources with the repository's style; with --check only tells which differ.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
format=$(command -v clang-format-19 || command -v clang-format)
files=$(git ls-files -co --exclude-standard '*.cpp' '*.hpp')
if [ "${1:-}" = --check ]; then
  # shellcheck disable=SC2086
  "$format" --dry-run --Werror $files && echo "posthouse: formatting is right"
else
  # shellcheck disable=SC2086
  "$format" -i $files
fi
