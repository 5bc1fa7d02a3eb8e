import { createHash } from 'node:crypto';
import type { LinkChange } from '../../../core/host/links.js';
import type { Node } from '../../../core/plugin-api/index.js';
import type { Backend } from './backend.js';

const prefix = 'flannel.alpha.coreos.com';
export const annotations = {
  backendType: `${prefix}/backend-type`,
  backendData: `${prefix}/backend-data`,
  publicIp: `${prefix}/public-ip`,
  publicIpOverwrite: `${prefix}/public-ip-overwrite`,
  subnetManager: `${prefix}/kube-subnet-manager`,
} as const;

/** Another node, as its annotations say how to reach its pods. */
export interface Peer {
  readonly name: string;
  /** Its IPv4 pod range. */
  readonly podCidr: string;
  readonly publicIp: string;
  /** Hardware address of its VXLAN link; undefined with other backends. */
  readonly vtepAddress: string | undefined;
}

/** Changes to the host, to be applied by `ip -batch` and `bridge -batch`. */
export interface PeerChanges {
  readonly links: readonly LinkChange[];
  readonly bridge: readonly LinkChange[];
}

/** Undefined while the node does not say everything, or uses another backend. */
export function peerOf(node: Node, backend: Backend): Peer | undefined {
  const { annotations: given = {}, name } = node.metadata;
  const podCidr = (node.spec.podCIDRs ?? [node.spec.podCIDR ?? '']).find(range => range.includes('.'));
  const publicIp = given[annotations.publicIpOverwrite] ?? given[annotations.publicIp];
  if (!name || !podCidr || !publicIp || given[annotations.backendType] !== backend.type) return undefined;
  if (!isRange(podCidr) || !isAddress(publicIp)) return undefined;
  const vtepAddress = backend.type === 'vxlan' ? vtepOf(given[annotations.backendData]) : undefined;
  if (backend.type === 'vxlan' && vtepAddress === undefined) return undefined;
  return { name, podCidr, publicIp, vtepAddress };
}

/** What this node says about itself. `null`: takes the annotation away. */
export function nodeAnnotations(
  backend: Backend,
  publicIp: string,
  vtepAddress: string | undefined,
): Record<string, string | null> {
  return {
    [annotations.backendType]: backend.type,
    [annotations.backendData]: vtepAddress ? JSON.stringify({ VNI: backend.networkId, VtepMAC: vtepAddress }) : 'null',
    [annotations.publicIp]: publicIp,
    [annotations.subnetManager]: 'true',
  };
}

export function addPeer(peer: Peer, device: string): PeerChanges {
  if (peer.vtepAddress === undefined) {
    return { links: [['route', 'replace', peer.podCidr, 'via', peer.publicIp]], bridge: [] };
  }
  const gateway = networkAddress(peer.podCidr);
  return {
    links: [
      ['neigh', 'replace', gateway, 'lladdr', peer.vtepAddress, 'dev', device, 'nud', 'permanent'],
      ['route', 'replace', peer.podCidr, 'via', gateway, 'dev', device, 'onlink'],
    ],
    bridge: [['fdb', 'replace', peer.vtepAddress, 'dev', device, 'dst', peer.publicIp]],
  };
}

/** Only the entries of the peer; its route is taken away apart, since it may be gone already. */
export function removePeer(peer: Peer, device: string): PeerChanges {
  if (peer.vtepAddress === undefined) return { links: [], bridge: [] };
  return {
    // `replace` first, so that an entry that somebody removed is no failure.
    links: [
      ['neigh', 'replace', networkAddress(peer.podCidr), 'lladdr', peer.vtepAddress, 'dev', device, 'nud', 'permanent'],
      ['neigh', 'delete', networkAddress(peer.podCidr), 'dev', device],
    ],
    bridge: [
      ['fdb', 'replace', peer.vtepAddress, 'dev', device, 'dst', peer.publicIp],
      ['fdb', 'delete', peer.vtepAddress, 'dev', device, 'dst', peer.publicIp],
    ],
  };
}

/** The VXLAN link's hardware address: the same after every start, local to this network, of one machine only. */
export function vtepAddressOf(nodeName: string, podCidr: string): string {
  const bytes = createHash('sha256').update(`k3s vtep ${nodeName} ${podCidr}`).digest().subarray(0, 6);
  bytes[0] = (bytes[0]! & 0xfc) | 0x02;
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(':');
}

export function networkAddress(range: string): string {
  return range.slice(0, range.indexOf('/'));
}

function vtepOf(data: string | undefined): string | undefined {
  try {
    const { VtepMAC: address } = JSON.parse(data ?? 'null') as { VtepMAC?: unknown };
    return typeof address === 'string' && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(address) ? address.toLowerCase() : undefined;
  } catch {
    // Annotations are anybody's: one that is no JSON says nothing.
    return undefined;
  }
}

const isAddress = (text: string): boolean => /^\d{1,3}(\.\d{1,3}){3}$/.test(text);
const isRange = (text: string): boolean => /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/.test(text);
