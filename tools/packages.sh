# Sourced by ./run and ./test: installs what packages.txt names, and only what is missing, so that
# nothing touches the network when everything is there.

# list_packages GROUP…: the package names of these groups.
list_packages() {
  local group
  for group in "$@"; do
    sed -n "s/^$group //p" "$root/packages.txt"
  done | tr ' ' '\n' | sort -u
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "posthouse: '$*' needs root, and there is no sudo; run it as root first" >&2
    return 1
  fi
}

# need_packages GROUP…: apt-get install for those not yet installed.
need_packages() {
  local package missing=()
  for package in $(list_packages "$@"); do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      missing+=("$package")
  done
  [ "${#missing[@]}" -eq 0 ] && return 0
  echo "posthouse: installing ${missing[*]}"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    "${missing[@]}" >"$root/build/apt.log" 2>&1; then
    as_root apt-get update >>"$root/build/apt.log" 2>&1 || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      "${missing[@]}" >>"$root/build/apt.log" 2>&1 || {
      tail -n 20 "$root/build/apt.log" >&2
      echo "posthouse: could not install ${missing[*]} (full log: build/apt.log)" >&2
      return 1
    }
  fi
}

# build_preset PRESET [TARGET…]: configures once, builds; prints output only when it fails.
build_preset() {
  local preset=$1
  shift
  local dir="$root/build/$preset" log="$root/build/$preset.log"
  {
    [ -f "$dir/build.ninja" ] || cmake --preset "$preset" -S "$root"
  } >"$log" 2>&1 && ninja -C "$dir" -j "${JOBS:-2}" "$@" >>"$log" 2>&1 || {
    grep -E -A12 'error|FAILED|Error' "$log" | head -n 60 >&2
    echo "posthouse: the $preset build failed; its whole output is in build/$preset.log" >&2
    return 1
  }
}
