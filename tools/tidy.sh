#!/usr/bin/env bash
# Runs clang-tidy over the program's sources with the compile commands of the clang build.
# A file is looked at again only when it, a header or the configuration changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stamp=build/tidy
mkdir -p "$stamp"
headers=$(git ls-files -co --exclude-standard '*.hpp' .clang-tidy | xargs cat | sha256sum | cut -c1-16)
check_one() {
  local file=$1 key
  key="$2-$(sha256sum <"$file" | cut -c1-16)-${file//\//_}"
  [ -e "$stamp/$key" ] && return 0
  clang-tidy-19 -p build/clang --quiet "$file" >"$stamp/out-${file//\//_}" 2>/dev/null || {
    cat "$stamp/out-${file//\//_}"
    return 1
  }
  touch "$stamp/$key"
}
export -f check_one
export stamp
git ls-files -co --exclude-standard '*.cpp' | grep -E '^(base|conf|mail|net|smtpd|pop3d|mailbox|accounts|forward|queue|deliver|app)/' |
  xargs -P "${JOBS:-2}" -I{} bash -c 'check_one "$1" "$2"' _ {} "$headers"
echo "posthouse: clang-tidy is content"
