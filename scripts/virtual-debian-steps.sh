#!/bin/bash
# What the tours of virtual-debian.mjs share; sourced.
# Every step is one line, `ok` or `FAIL`, with the seconds since boot before it; what it printed follows. Emulated machines are ten to
# twenty times slower than real ones, hence the limits.
export KUBECONFIG=/etc/rancher/k3s/k3s.yaml
tree=/srv/k3s-ts

say() { printf '[%8s] %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*"; }

step() {
  local what=$1 output
  shift
  if output=$("$@" 2>&1); then say "ok    $what"; else say "FAIL  $what"; fi
  if [ -n "$output" ]; then printf '%s\n' "$output" | head -60 | sed 's/^/               /'; fi
}

# eventually SECONDS COMMAND ...: until it succeeds.
eventually() {
  local end=$((SECONDS + $1)) output
  shift
  until output=$("$@" 2>&1); do
    if [ $SECONDS -gt $end ]; then
      printf '%s\n' "$output"
      return 1
    fi
    sleep 2
  done
  printf '%s\n' "$output"
}

same() { [ "$1" = "$2" ] && echo "$1" || { echo "$1, not $2"; return 1; }; }
holds() { grep -e "$1" || { echo "no $1"; return 1; }; }

k3s() { node $tree/scripts/k3s.mjs "$@"; }
kubectl() { "$(echo /root/.cache/k3s-ts/tools/*/kubectl)" "$@"; }
nft() {
  local packages=/root/.cache/k3s-ts/debian libraries
  libraries=$(find $packages -type d -name '*-linux-gnu' | tr '\n' ':')
  LD_LIBRARY_PATH=$libraries "$(find $packages -path '*/sbin/nft' | head -n 1)" "$@"
}
ready() { kubectl get nodes --no-headers | holds ' Ready '; }
