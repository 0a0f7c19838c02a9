# Sourced by ./test: unpacks mail servers of other projects under build/peers/root for the tests.
# They are never installed: a mail server package would remove the one the user runs.

# unpack_peers: every package of the group "peer" with the libraries it lacks on this machine.
unpack_peers() {
  local base="$root/build/peers" package wanted list
  wanted=$(list_packages peer | tr '\n' ' ')
  if [ -f "$base/done" ] && [ "$(cat "$base/done")" = "$wanted" ]; then
    return 0
  fi
  echo "posthouse: unpacking $wanted(build/peers)"
  rm -rf "$base"
  mkdir -p "$base/archives" "$base/root"
  for package in $wanted; do
    # The simulation names the package and its missing dependencies, as lines "Inst NAME …".
    list=$(apt-get install -s --no-install-recommends "$package" 2>/dev/null |
      sed -n 's/^Inst \([^ ]*\) .*/\1/p')
    [ -n "$list" ] || list=$package
    (cd "$base/archives" && apt-get download $list >>"$base/apt.log" 2>&1) || {
      as_root apt-get update >>"$base/apt.log" 2>&1 || true
      (cd "$base/archives" && apt-get download $list >>"$base/apt.log" 2>&1)
    } || {
      tail -n 5 "$base/apt.log" >&2
      echo "posthouse: could not fetch $package for the tests (build/peers/apt.log)" >&2
      return 1
    }
  done
  for package in "$base"/archives/*.deb; do
    dpkg -x "$package" "$base/root"
  done
  printf '%s' "$wanted" >"$base/done"
}
