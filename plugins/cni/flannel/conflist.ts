export const networkName = 'cbr0';
export const bridgeName = 'cni0';

export interface ConflistInput {
  /** The node's pod ranges, one of each family at most. */
  readonly podCidrs: readonly string[];
  readonly mtu: number;
  /** Where host-local keeps which address is whose. */
  readonly allocationDirectory: string;
}

/**
 * The CNI configuration of one node: what flannel's CNI plugin would delegate, so that pods are wired as K3s wires them.
 * Host ports are ours (`host-ports.ts`). Source: the CNI specification 1.0; the plugins bridge, host-local, bandwidth.
 */
export function conflist({ podCidrs, mtu, allocationDirectory }: ConflistInput): string {
  const configuration = {
    name: networkName,
    cniVersion: '1.0.0',
    plugins: [
      {
        type: 'bridge',
        bridge: bridgeName,
        mtu,
        // A pod may reach itself through a Service.
        hairpinMode: true,
        // The bridge keeps the first address of the range, whatever it had before.
        forceAddress: true,
        isGateway: true,
        isDefaultGateway: true,
        ipMasq: false,
        ipam: { type: 'host-local', ranges: podCidrs.map(subnet => [{ subnet }]), dataDir: allocationDirectory },
      },
      { type: 'bandwidth', capabilities: { bandwidth: true } },
    ],
  };
  return JSON.stringify(configuration, undefined, 2) + '\n';
}
