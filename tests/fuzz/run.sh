#!/bin/sh
# Runs each fuzz target for SECONDS: tests/fuzz/run.sh SECONDS [NAME…]
# New inputs collect under build/fuzz/corpus/NAME, crashes under build/fuzz/crashes. Exit status 1
# when a target found something. With KEEP=1 the inputs that add coverage are merged into the
# repository's corpus afterwards.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [NAME...]}
shift
if [ ! -f build/fuzz/build.ninja ]; then
  cmake --preset fuzz >/dev/null
fi
if [ $# -eq 0 ]; then
  set -- $(sed -n 's/^posthouse_fuzz(\([a-z0-9_]*\) .*/\1/p' tests/fuzz/CMakeLists.txt)
fi
targets=
for name in "$@"; do
  targets="$targets fuzz_$name"
done
# shellcheck disable=SC2086
ninja -C build/fuzz ${JOBS:+-j "$JOBS"} $targets
mkdir -p build/fuzz/crashes
failed=0
for name in "$@"; do
  mkdir -p "build/fuzz/corpus/$name"
  echo "== $name: $seconds s"
  options="-max_len=8192 -timeout=10 -print_final_stats=1"
  # shellcheck disable=SC2086
  if ! "build/fuzz/tests/fuzz/fuzz_$name" $options -max_total_time="$seconds" \
      -artifact_prefix="build/fuzz/crashes/$name-" \
      "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" >"build/fuzz/$name.log" 2>&1; then
    failed=1
    tail -n 40 "build/fuzz/$name.log"
  fi
  grep -E "stat::number_of_executed_units|DONE" "build/fuzz/$name.log" || true
  if [ "${KEEP:-0}" = 1 ]; then
    "build/fuzz/tests/fuzz/fuzz_$name" -merge=1 "tests/fuzz/corpus/$name" \
      "build/fuzz/corpus/$name" >>"build/fuzz/$name.log" 2>&1
  fi
done
exit "$failed"
