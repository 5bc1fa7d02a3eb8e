#!/bin/bash
# Runs at boot in the machine that virtual-debian.mjs makes: what a user of `k3s service install` does, and what must be seen then.
. /srv/steps.sh

group() { echo "/sys/fs/cgroup/kubepods/$1"; }
uid() { kubectl get pod "$1" -o 'jsonpath={.metadata.uid}'; }
values() { (cd "$1" && grep -s . cpu.max cpu.weight memory.max memory.swap.max memory.oom.group pids.max cgroup.subtree_control; true); }
read_value() { cat "$1" 2>&1; }

unified() {
  stat -fc %T /sys/fs/cgroup | holds cgroup2fs
  cat /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/cgroup.subtree_control
  cat /proc/1/comm | holds systemd
}
uptimes() { ps -eo pid,ppid,etimes,cgroup,args | grep -E '[k]3s-ts|[c]ontainerd|[h]ttpd|[s]leep' | cut -c1-220; }
started_anew() { systemctl is-active k3s && [ "$(systemctl show --property NRestarts --value k3s)" -gt 0 ] && ready; }
answers() { curl -sS --max-time 20 "$@" | holds greeting; }
resolves() { kubectl exec client -- nslookup example-web.default.svc.cluster.local | holds "$(kubectl get service example-web -o 'jsonpath={.spec.clusterIP}')"; }
phase() { kubectl get pod "$1" -o 'jsonpath={.status.phase} {.status.containerStatuses[0].state.terminated.reason} {.status.containerStatuses[0].restartCount}'; }
in_phase() { phase "$1" | holds "$2"; }
figures() { kubectl top nodes && kubectl top pods -A; }
stats() {
  kubectl get --raw "/api/v1/nodes/$(hostname)/proxy/stats/summary" >/tmp/summary &&
    tr -d ' \n' </tmp/summary | cut -c1-3000 && free -b | sed -n 2p
}
# What must not change when the service is started anew: ids of containers with their first processes.
containers() { ps -eo pid,lstart,args | grep -E '[h]ttpd|[s]leep 1000000|[p]ause$|[c]ontainerd-shim|[c]ontainerd --config' | sort -n; }
# Files and directories of the machine, without those that come and go by themselves, kubectl's own and the downloads, which are kept.
files() { find / -xdev \( -path /srv -o -path /tmp -o -path /proc -o -path /sys -o -path /root/.cache -o -path /root/.kube -o -path /var/log/journal \) -prune -o -print; find /run \( -path /run/systemd -o -path /run/udev -o -path /run/log -o -path /run/agetty.reload \) -prune -o -print; }
host() {
  files | sort -u
  ps -eo comm,args --no-headers | grep -E 'k3s|containerd|httpd|sleep 1000000|pause'
  sed 's/ .*//' /proc/net/dev
  nft list tables
  ip rule
  ip route
  cut -d' ' -f2 /proc/self/mounts
  find /sys/fs/cgroup -type d | grep -E 'kubepods|k3s|cri-containerd'
}
nothing_new() { comm -13 <(sort -u /tmp/host) <(host 2>&1 | sort -u) >/tmp/new; cat /tmp/new; [ ! -s /tmp/new ]; }
stays_away() { for _ in 1 2 3 4 5 6; do sleep 2; pgrep -x k3s-server && return 1; done; systemctl is-active k3s; true; }

main() {
  host >/tmp/host
  mkdir -p /var/lib/rancher/k3s/agent/images
  cp /srv/example-web.tar /var/lib/rancher/k3s/agent/images/
  cd $tree || exit 1
  say "$(uname -r), $(systemctl --version | head -n 1), $(nproc) processors, $(free -m | awk 'NR == 2 { print $2 }') MiB"
  step 'control groups of version 2 belong to systemd' unified
  step 'a network' ip -br address
  step 'k3s service install' k3s service install
  step 'the unit is active' systemctl is-active k3s
  step 'systemctl status' systemctl status --no-pager k3s
  step 'k3s kubectl version' k3s kubectl version
  step 'the node is Ready' eventually 300 ready
  step 'journal' journalctl -u k3s --no-pager -o short-monotonic
  step 'modules' sh -c 'lsmod | grep -E "^(br_netfilter|overlay|nf_tables|vxlan) "'
  step 'memory of the processes' ps -o pid,comm,rss,etimes,time -C 'k3s-server,k3s dataplane,containerd'

  step 'the example is applied' kubectl apply -f examples/app/
  step 'the example rolls out' kubectl rollout status deployment/example-web --timeout=600s
  kubectl delete cronjob example-web-visit >/dev/null
  step 'the Job ends' kubectl wait --for=condition=complete job/example-web-check --timeout=300s
  kubectl apply -f - <<'END'
apiVersion: v1
kind: Pod
metadata: { name: client }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - { name: main, image: 'k3s.local/example-web:1', command: [sleep, '1000000'] }
---
apiVersion: v1
kind: Pod
metadata: { name: guaranteed }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: k3s.local/example-web:1
    command: [sleep, '1000000']
    resources: { limits: { cpu: 250m, memory: 64Mi } }
---
apiVersion: v1
kind: Pod
metadata: { name: glutton }
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: k3s.local/example-web:1
    command: [sh, -c, 'head -c 200000000 /dev/zero | tail; sleep 1000000']
    resources: { limits: { memory: 24Mi } }
END
  step 'pods run' kubectl wait --for=condition=Ready pod/client pod/guaranteed --timeout=300s
  step 'Service by address' eventually 60 answers "http://$(kubectl get service example-web -o 'jsonpath={.spec.clusterIP}')/"
  step 'load balancer' eventually 60 answers http://127.0.0.1:8081/
  step 'Ingress' eventually 60 answers -H 'Host: example.localhost' http://127.0.0.1/
  step 'Service by name, in a pod' eventually 60 resolves
  step 'exec and wget by name' eventually 60 kubectl exec client -- wget -qO- http://example-web/
  step 'logs' kubectl logs job/example-web-check

  step 'control groups: the tree' find /sys/fs/cgroup/kubepods -type d
  for place in '' besteffort burstable "besteffort/pod$(uid client)" "pod$(uid guaranteed)"; do
    step "control groups: kubepods/$place" values "$(group "$place")"
  done
  local own
  own=$(group "pod$(uid guaranteed)")
  inner=$(echo "$own"/*/)
  for inner in "$own"/*/; do step "control groups: ${inner#/sys/fs/cgroup}" values "$inner"; done
  step 'cpu.max of the pod' same "$(read_value "$own/cpu.max")" '25000 100000'
  step 'memory.max of the pod' same "$(read_value "$own/memory.max")" 67108864
  step 'pids.max of the pod' same "$(read_value "$own/pids.max")" max
  inner="$own/$(kubectl get pod guaranteed -o 'jsonpath={.status.containerStatuses[0].containerID}' | sed 's,.*//,,')"
  step 'memory.max of the container' same "$(read_value "$inner/memory.max")" 67108864
  step 'memory.oom.group of the container' same "$(read_value "$inner/memory.oom.group")" 1
  step 'memory.swap.max of the container' same "$(read_value "$inner/memory.swap.max")" 0
  step 'OOMKilled' eventually 120 in_phase glutton 'Failed OOMKilled'
  step 'kubectl top' eventually 180 figures
  step 'stats/summary' stats

  step 'resize' kubectl patch pod guaranteed --subresource resize --type strategic -p \
    '{"spec":{"containers":[{"name":"main","resources":{"limits":{"cpu":"500m","memory":"96Mi"},"requests":{"cpu":"500m","memory":"96Mi"}}}]}}'
  resized() { same "$(cat "$own/memory.max" "$own/cpu.max" "$inner/memory.max" "$inner/cpu.max" | tr '\n' ' ')" '100663296 50000 100000 100663296 50000 100000 '; }
  step 'resized groups' eventually 120 resized
  step 'oom.group after the resize' same "$(read_value "$inner/memory.oom.group")" 1

  containers >/tmp/before
  step 'daemon-reload' systemctl daemon-reload
  step 'another unit comes and goes' systemd-run --wait --quiet -p MemoryMax=64M -p AllowedCPUs=0 -p IOWeight=50 true
  step 'controllers of the root' cat /sys/fs/cgroup/cgroup.subtree_control
  step 'the groups are as before' resized
  step 'restart' systemctl restart k3s
  step 'Ready after the restart' eventually 300 ready
  containers >/tmp/after
  step 'pods are untouched' diff /tmp/before /tmp/after
  step 'the groups are as before' resized
  step 'Ingress after the restart' eventually 60 answers -H 'Host: example.localhost' http://127.0.0.1/
  step 'journal' journalctl -u k3s --no-pager -o short-monotonic -n 60
  step 'where processes are' uptimes

  step 'kill' systemctl kill --signal KILL --kill-whom main k3s
  step 'Ready after the kill' eventually 300 started_anew
  containers >/tmp/after
  step 'pods are untouched' diff /tmp/before /tmp/after

  step 'service remove' k3s service remove
  step 'pods go on' diff /tmp/before <(containers)
  step 'the unit is gone' sh -c '! systemctl cat k3s'
  step 'service install, again' k3s service install
  step 'Ready again' eventually 300 ready
  step 'pods went on' diff /tmp/before <(containers)
  step 'killall --force' k3s killall --force
  step 'the server stays away' stays_away
  step 'uninstall' k3s uninstall --yes
  step 'nothing is left' nothing_new
  step 'kernel' sh -c 'dmesg | tail -n 25'
  say 'the tour ended'
}

main
