#!/bin/bash
# Runs in the machine that virtual-debian.mjs makes (--tour scripts/virtual-debian-storage-tour.sh): what needs file systems and memory of
# a known size. Project quotas of local-path on ext4 and xfs, garbage collection of images, eviction by disk and by memory.
. /srv/steps.sh
data=/mnt/small/k3s
socket() { echo /run/k3s-*/containerd/containerd.sock; }
ctr() { "$(find /root/.cache/k3s-ts/debian -path '*/bin/ctr' | head -n 1)" -a "$(socket)" -n k8s.io "$@"; }

# disk NAME SIZE OPTIONS MKFS ...: a file system of its own at /mnt/NAME.
disk() {
  local name=$1 size=$2 options=$3
  shift 3
  truncate -s "$size" "/var/tmp/$name.img" && "$@" "/var/tmp/$name.img" && mkdir -p "/mnt/$name" &&
    mount -o "loop,$options" "/var/tmp/$name.img" "/mnt/$name" && findmnt -n "/mnt/$name"
}
available() { df --output=avail -B 1M "$1" | tail -n 1 | tr -d ' '; }
# leave MEGABYTES: a file of ours takes the rest of the small disk.
leave() {
  rm -f /mnt/small/ballast
  fallocate -l "$(($(available /mnt/small) - $1))M" /mnt/small/ballast && df -B 1M /mnt/small
}
memory_available() { awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }
leave_memory() {
  rm -f /mnt/memory/ballast
  head -c "$(($(memory_available) - $1))M" /dev/zero >/mnt/memory/ballast && memory_available
}

# claim CLASS: a claim of 32 Mi and a pod that has it at /data.
claim() {
  kubectl apply -f - <<END
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: $1 }
spec: { accessModes: [ReadWriteOnce], storageClassName: $1, resources: { requests: { storage: 32Mi } } }
---
apiVersion: v1
kind: Pod
metadata: { name: on-$1 }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - { name: main, image: 'k3s.local/example-web:1', command: [sleep, '1000000'], volumeMounts: [{ name: data, mountPath: /data }] }
  volumes: [{ name: data, persistentVolumeClaim: { claimName: $1 } }]
END
}
# class NAME PATH
class() {
  kubectl apply -f - <<END
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: { name: $1 }
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
parameters: { nodePath: $2 }
END
}
writes() { kubectl exec "on-$1" -- sh -c "busybox head -c $3 /dev/zero >/data/$2 && busybox sync && busybox wc -c /data/$2"; }
# What is written beyond the size fails, and what is there stays within it.
is_full() {
  local output
  output=$(kubectl exec "on-$1" -- busybox dd if=/dev/zero of=/data/more bs=1M count=40 2>&1) && { echo "40 MiB more were taken: $output"; return 1; }
  printf '%s\n' "$output" | holds 'No space left\|quota exceeded' || { echo "$output"; return 1; }
  kubectl exec "on-$1" -- sh -c 'busybox sync; busybox du -sk /data' | tee /tmp/used
  [ "$(cut -f1 /tmp/used)" -le 32768 ]
}
shows_size() { kubectl exec "on-$1" -- busybox df -k /data | tee /dev/stderr | holds ' 32768 '; }
folder() { kubectl get pv "$(kubectl get pvc "$1" -o 'jsonpath={.spec.volumeName}')" -o 'jsonpath={.spec.hostPath.path}'; }
warnings() { kubectl get events --field-selector "involvedObject.name=$1,reason=SizeNotEnforced" -o 'jsonpath={.items[*].message}'; }
is_enforced() { same "$(warnings "$1")" '' >/dev/null && kubectl get pv -o 'jsonpath={range .items[*]}{.spec.storageClassName} {.metadata.annotations}{"\n"}{end}' | holds "^$1 .*project"; }
told() { warnings "$1" | holds "$2"; }
gone() { [ ! -e "$1" ]; }
no_limit() { repquota -P -n -O csv "$1"; ! repquota -P -n -O csv "$1" | grep -E ',32768,'; }

quotas() {
  local name path
  for name in ext4 xfs; do class "$name" "/mnt/$name"; done >/dev/null
  class no-quota /mnt/plain >/dev/null
  kubectl -n kube-system create configmap local-path-config --dry-run=client -o yaml --from-literal \
    config.json='{"nodePathMap":[{"node":"DEFAULT_PATH_FOR_NON_LISTED_NODES","paths":["/mnt/ext4","/mnt/xfs","/mnt/plain"]}]}' | kubectl apply -f - >/dev/null 2>&1
  for name in ext4 xfs no-quota; do claim "$name" >/dev/null; done
  step 'pods with claims run' kubectl wait --for=condition=Ready pod/on-ext4 pod/on-xfs pod/on-no-quota --timeout=300s
  for name in ext4 xfs; do
    step "$name: the claim is said to be enforced" is_enforced "$name"
    step "$name: df in the pod shows the claim's size" shows_size "$name"
    step "$name: 20 MiB are written" writes "$name" some 20971520
    step "$name: no more than 32 MiB" is_full "$name"
    step "$name: repquota" repquota -P -n "/mnt/$name"
  done
  step 'no quota: a Warning event' told no-quota 'not mounted with the option prjquota'
  step 'no quota: 40 MiB are written' writes no-quota some 41943040
  for name in ext4 xfs; do
    path=$(folder "$name")
    kubectl delete --wait=false pod/on-$name pvc/$name >/dev/null
    step "$name: the folder goes with the claim" eventually 120 gone "$path"
    step "$name: and its limit" eventually 30 no_limit "/mnt/$name"
  done
  kubectl delete --wait=false pod/on-no-quota pvc/no-quota >/dev/null
}

# image NAME MEGABYTES: imported as `ctr images import` does it, not pinned as those of agent/images are.
image() {
  local work=/var/tmp/image digest
  mkdir -p $work
  (
    cd $work || exit 1
    head -c "$2M" /dev/urandom >filler
    tar cf layer.tar filler
    digest=$(sha256sum layer.tar | cut -d' ' -f1)
    printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$digest" >config.json
    printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$1" >manifest.json
    tar cf image.tar manifest.json config.json layer.tar
    ctr images import image.tar && df -B 1M /mnt/small
  )
  rm -rf $work
}
has_image() { k3s crictl --data-dir $data images | holds "$1"; }
no_image() { ! has_image "$1"; }
condition() { kubectl get nodes -o "jsonpath={.items[0].status.conditions[?(@.type=='$1')].status} {.items[0].status.conditions[?(@.type=='$1')].reason}"; }
is_condition() { condition "$1" | holds "^$2"; }
taints() { kubectl get nodes -o 'jsonpath={.items[0].spec.taints[*].key}'; }
is_tainted() { taints | holds "$1"; }
is_not_tainted() { ! is_tainted "$1"; }
evicted() { kubectl get pod "$1" -o 'jsonpath={.status.phase} {.status.reason}: {.status.message}{.status.conditions[?(@.type=="DisruptionTarget")].reason}' | holds '^Failed Evicted: .*TerminationByKubelet'; }
none_failed() { same "$(kubectl get pods -A --field-selector status.phase=Failed -o name)" ''; }
runs() { kubectl get pod "$1" -o 'jsonpath={.status.phase}' | holds '^Running$'; }
node_events() { kubectl get events -A --field-selector involvedObject.kind=Node -o 'jsonpath={range .items[*]}{.reason}: {.message}{"\n"}{end}' | grep -E "$1"; }

# writer NAME REQUEST BYTES: a pod that writes into its emptyDir.
writer() {
  kubectl apply -f - <<END
apiVersion: v1
kind: Pod
metadata: { name: $1 }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: k3s.local/example-web:1
    command: [sh, -c, 'busybox head -c $3 /dev/zero >/scratch/file; busybox sync; touch /scratch/done; sleep 1000000']
    readinessProbe: { exec: { command: [test, -e, /scratch/done] }, periodSeconds: 2, timeoutSeconds: 10 }
    resources: { requests: { ephemeral-storage: '$2' } }
    volumeMounts: [{ name: scratch, mountPath: /scratch }]
  volumes: [{ name: scratch, emptyDir: {} }]
END
}

disk_pressure() {
  rm -f /mnt/small/ballast
  writer hog 0 262144000 >/dev/null
  writer polite 300Mi 262144000 >/dev/null
  writer modest 0 20971520 >/dev/null
  step 'writers run' kubectl wait --for=condition=Ready pod/hog pod/polite pod/modest --timeout=300s
  step 'the disk is nearly full' leave 350
  step 'DiskPressure' eventually 120 is_condition DiskPressure True
  writer late 0 10 >/dev/null
  untolerated() { kubectl get pod late -o 'jsonpath={.status.conditions[0].message}' | holds 'untolerated taint'; }
  step 'no new pod is scheduled' eventually 60 untolerated
  step 'hog is evicted' eventually 240 evicted hog
  step 'DiskPressure goes' eventually 300 is_condition DiskPressure False
  step 'the waiting pod runs' eventually 60 runs late
  for name in polite modest; do step "$name runs" runs $name; done
  step 'events of the pod' kubectl get events --field-selector involvedObject.name=hog -o 'jsonpath={range .items[*]}{.reason}: {.message}{"\n"}{end}'
  kubectl delete pod hog polite modest late --wait=true >/dev/null
  rm -f /mnt/small/ballast

  step 'the disk is fuller' leave 900
  step 'the image comes again' image k3s.local/unused:1 300
  step 'DiskPressure' eventually 60 is_condition DiskPressure True
  step 'the node is tainted' eventually 60 is_tainted node.kubernetes.io/disk-pressure
  step 'the image is removed' eventually 60 no_image k3s.local/unused
  step 'an event tells' node_events 'EvictionThresholdMet|NodeHasDiskPressure'
  step 'no pod was evicted' none_failed
  step 'DiskPressure goes' eventually 300 is_condition DiskPressure False
  step 'the taint goes' eventually 60 is_not_tainted disk-pressure
}

# Last, since it takes long.
image_collection() {
  step 'the disk is half full' leave 1100
  step 'an image of 300 MB comes' image k3s.local/unused:2 300
  # It looks every five minutes; an image has to be known for a time.
  step 'image garbage collection removes it' eventually 700 no_image k3s.local/unused
  step 'the image of pods stays' has_image k3s.local/example-web
  step 'no pressure' is_condition DiskPressure False
}

# eater NAME REQUEST BYTES: a pod that keeps memory.
eater() {
  kubectl apply -f - <<END
apiVersion: v1
kind: Pod
metadata: { name: $1 }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: k3s.local/example-web:1
    command: [sh, -c, '(busybox head -c $3 /dev/zero; touch /tmp/done; sleep 1000000) | busybox tail']
    readinessProbe: { exec: { command: [test, -e, /tmp/done] }, periodSeconds: 2, timeoutSeconds: 10 }
    resources: { requests: { memory: '$2' } }
END
}
memory_pressure() {
  mkdir -p /mnt/memory
  mount -t tmpfs -o size=3g tmpfs /mnt/memory
  eater greedy 0 314572800 >/dev/null
  eater fair 300Mi 209715200 >/dev/null
  eater frugal 0 10485760 >/dev/null
  step 'eaters run' kubectl wait --for=condition=Ready pod/greedy pod/fair pod/frugal --timeout=300s
  step 'memory is nearly full' leave_memory 250
  step 'MemoryPressure' eventually 120 is_condition MemoryPressure True
  step 'the node is tainted' eventually 60 is_tainted node.kubernetes.io/memory-pressure
  step 'greedy is evicted' eventually 240 evicted greedy
  step 'an event tells' node_events 'reclaim memory|NodeHasInsufficientMemory'
  step 'MemoryPressure goes' eventually 300 is_condition MemoryPressure False
  step 'the taint goes' eventually 60 is_not_tainted memory-pressure
  for name in fair frugal; do step "$name runs" runs $name; done
  kubectl delete pod greedy fair frugal --wait=true >/dev/null
  rm -f /mnt/memory/ballast
}

main() {
  cd $tree || exit 1
  step 'ext4 with project quotas' disk ext4 200M prjquota mkfs.ext4 -q -O quota,project
  step 'xfs with project quotas' disk xfs 320M prjquota mkfs.xfs -q
  step 'ext4 without' disk plain 200M defaults mkfs.ext4 -q
  step 'a small disk' disk small 2000M defaults mkfs.ext4 -q -m 0
  mkdir -p $data/agent/images
  cp /srv/example-web.tar $data/agent/images/
  step 'k3s service install' k3s service install --data-dir $data \
    --kubelet-arg 'eviction-hard=nodefs.available<400Mi,imagefs.available<400Mi,memory.available<300Mi' \
    --kubelet-arg eviction-minimum-reclaim=nodefs.available=5%,imagefs.available=5% \
    --kubelet-arg eviction-pressure-transition-period=120s \
    --kubelet-arg image-gc-high-threshold=60 --kubelet-arg image-gc-low-threshold=50 --kubelet-arg minimum-image-ttl-duration=30s
  step 'k3s kubectl version' k3s kubectl version
  step 'the node is Ready' eventually 300 ready
  quotas
  memory_pressure
  disk_pressure
  image_collection
  step 'journal' sh -c 'journalctl -u k3s --no-pager -o short-monotonic -n 60 | cut -c1-300'
  step 'killall --force' k3s killall --force --data-dir $data
  say 'the tour ended'
}

main
