import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { RecordingNftables } from '../../../core/host/nftables.js';
import { SinkLogger } from '../../../core/base/logger.js';
import type { Ledger } from '../../../core/plugin-api/index.js';
import { guardListeners } from './listener-guard.js';

const recorded: string[] = [];
const ledger: Ledger = {
  record: async (kind, name) => void recorded.push(`${kind} ${name}`),
  forget: async () => undefined,
  list: async () => [],
};
const warnings: string[] = [];
const logger = new SinkLogger(record => void warnings.push(record.message), 'warn');
const nftables = new RecordingNftables();
const guard = (): Promise<void> =>
  guardListeners({ nftables, ledger, logger, ports: [10_080, 10_443], clusterCidrs: ['10.42.0.0/16', 'fd00:42::/56'] });

describe('the guard of the listeners', () => {
  it('is one table, recorded before it is made', async () => {
    await guard();
    expect(recorded).toEqual(['nftables-table inet k3s-traefik']);
    expect(nftables.scripts[0]).toContain('tcp dport { 10080, 10443 } jump listeners');
    expect(nftables.scripts[0]).toContain('ip saddr { 10.42.0.0/16 } accept');
    nftables.failNext = new Error('no nft here');
    await guard();
    expect(warnings).toEqual(['the ports of the Ingress listeners are open to everybody who reaches this node']);
  });

  const isRoot = process.getuid?.() === 0 && spawnSync('nft', ['--version']).status === 0;
  // In a network namespace of its own, so that the host sees none of it.
  (isRoot ? it : it.skip)('is understood by nft (needs root)', async () => {
    await guard();
    const { status, stderr } = spawnSync('unshare', ['-n', 'nft', '-f', '-'], {
      input: nftables.scripts.at(-1),
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });

  // Two namespaces and a link: a stranger, a pod, and a stranger through a Service's translation.
  (isRoot ? it : it.skip)('keeps strangers away from the ports, not from Services (needs root)', async () => {
    await guard();
    const script = `
set -e
ip link set lo up
ip netns add "$1"
trap 'ip netns del "$1"' EXIT
ip link add outer type veth peer name inner netns "$1"
ip address add 192.0.2.1/24 dev outer
ip link set outer up
ip -n "$1" link set lo up
ip -n "$1" address add 192.0.2.2/24 dev inner
ip -n "$1" address add 10.42.0.9/32 dev inner
ip -n "$1" link set inner up
ip route add 10.42.0.9/32 dev outer
printf %s "$GUARD" | nft -f -
nft -f - <<EOF2
table ip service { chain pre { type nat hook prerouting priority -100; tcp dport 80 dnat to 192.0.2.1:10080
}
}
EOF2
"$2" -e "require('node:net').createServer(s => s.end('hello')).listen(10080, '192.0.2.1')" &
server=$!
ask() { ip netns exec "$1" "$2" -e "
const socket = require('node:net').connect({ host: '192.0.2.1', port: $3, localAddress: '$4' });
socket.on('error', () => undefined).on('data', d => { console.log(String(d)); process.exit(); });
setTimeout(() => { console.log('nothing'); process.exit(); }, 1500);"; }
sleep 0.5
echo "stranger: $(ask "$1" "$2" 10080 192.0.2.2)"
echo "pod: $(ask "$1" "$2" 10080 10.42.0.9)"
echo "service: $(ask "$1" "$2" 80 192.0.2.2)"
kill $server
`;
    const name = `guard-${process.pid}`;
    const { stdout, stderr } = spawnSync('unshare', ['-n', '-m', 'sh', '-c', script, 'sh', name, process.execPath], {
      encoding: 'utf8',
      env: { ...process.env, GUARD: nftables.scripts.at(-1) },
      timeout: 20_000,
    });
    expect([stdout.split('\n').slice(0, 3), stderr]).toEqual([['stranger: nothing', 'pod: hello', 'service: hello'], '']);
  });
});
