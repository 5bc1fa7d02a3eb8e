import type { FlagTable } from '../flag-definition.js';

const runtime = 'a plugin in the slot container-runtime that knows it';
const kubelet = 'a plugin in the slot kubelet that knows it';

/** This machine's Node and what runs its containers. */
export const nodeFlags = {
  'node-name': { kind: 'string', environment: 'K3S_NODE_NAME', format: 'nodeName', summary: "name of the node (the host's)" },
  'with-node-id': {
    kind: 'boolean',
    default: false,
    summary: "append an id to the node's name",
    support: 'refused',
    needs: 'a node id that is kept, which this version does not build yet; --node-name gives a name',
  },
  'node-label': { kind: 'list', whole: true, summary: 'label of the node, set at registration only' },
  'node-taint': { kind: 'list', whole: true, summary: 'taint of the node, set at registration only' },
  'node-ip': { kind: 'list', short: 'i', format: 'addresses', summary: 'addresses of the node' },
  'node-external-ip': { kind: 'list', format: 'addresses', summary: 'external addresses of the node' },
  'node-internal-dns': { kind: 'list', summary: 'internal DNS names of the node' },
  'node-external-dns': { kind: 'list', summary: 'external DNS names of the node' },
  'resolv-conf': {
    kind: 'string',
    environment: 'K3S_RESOLV_CONF',
    summary: 'resolv.conf for pods',
    support: 'plugin',
    needs: kubelet,
  },
  'image-credential-provider-bin-dir': {
    kind: 'string',
    summary: 'folder of credential providers',
    support: 'plugin',
    needs: kubelet,
  },
  'image-credential-provider-config': {
    kind: 'string',
    summary: 'configuration of credential providers',
    support: 'plugin',
    needs: kubelet,
  },
  selinux: {
    kind: 'boolean',
    default: false,
    environment: 'K3S_SELINUX',
    summary: 'SELinux in the container runtime',
    support: 'plugin',
    needs: runtime,
  },
  'protect-kernel-defaults': {
    kind: 'boolean',
    default: false,
    summary: "fail when kernel settings differ from the kubelet's",
    support: 'plugin',
    needs: kubelet,
  },
  'container-runtime-endpoint': {
    kind: 'string',
    summary: 'socket of a containerd that runs already',
    support: 'plugin',
    needs: runtime,
  },
  'image-service-endpoint': { kind: 'string', summary: 'socket of the image service', support: 'plugin', needs: runtime },
  'default-runtime': {
    kind: 'string',
    summary: 'runtime of containers without a RuntimeClass (runc)',
    support: 'plugin',
    needs: runtime,
  },
  docker: {
    kind: 'boolean',
    default: false,
    summary: 'run containers by Docker',
    // Not `refused`: a plugin of this name may come from anybody.
    needs: 'the plugin docker in the slot container-runtime, which does not come with k3s',
  },
  'pause-image': { kind: 'string', summary: 'image of the sandbox container', support: 'plugin', needs: runtime },
  snapshotter: { kind: 'string', summary: 'snapshotter of containerd (overlayfs)', support: 'plugin', needs: runtime },
  'private-registry': { kind: 'string', default: '/etc/rancher/k3s/registries.yaml', summary: 'registries file' },
  'system-default-registry': {
    kind: 'string',
    on: 'server',
    environment: 'K3S_SYSTEM_DEFAULT_REGISTRY',
    summary: 'registry of all system images',
    support: 'plugin',
    needs: runtime,
  },
  'disable-default-registry-endpoint': {
    kind: 'boolean',
    default: false,
    summary: 'only mirrors, no fall-back to the registry itself',
    support: 'plugin',
    needs: runtime,
  },
  'nonroot-devices': {
    kind: 'boolean',
    default: false,
    summary: "devices follow the container's user",
    support: 'plugin',
    needs: runtime,
  },
  'airgap-extra-registry': {
    kind: 'list',
    whole: true,
    hidden: true,
    summary: 'further registry name for imported images',
    support: 'plugin',
    needs: runtime,
  },
  'prefer-bundled-bin': { kind: 'boolean', default: false, summary: "bundled tools before the host's" },
} as const satisfies FlagTable;
