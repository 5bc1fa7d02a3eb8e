import { describe, expect, it } from '@jest/globals';
import type { UdpFlow } from '../../../core/host/conntrack.js';
import { produce } from '../../../core/plugin-api/index.js';
import { hostPortScript, hostPortsOf, staleHostPortFlows } from './host-ports.js';
import { podObject } from './testing/node-object.js';

describe('host ports', () => {
  it('are those of running pods that do not share the node', () => {
    const pod = podObject('web', 'node-a', '10.42.0.5', 80);
    const shared = produce(podObject('shared', 'node-a', '192.0.2.1', 81), draft => {
      draft.spec.hostNetwork = true;
    });
    const done = produce(podObject('done', 'node-a', '10.42.0.6', 82), draft => {
      draft.status!.phase = 'Succeeded';
    });
    const waiting = produce(podObject('waiting', 'node-a', '', 83), draft => {
      draft.status = { phase: 'Pending' };
    });
    expect(hostPortsOf([pod, shared, done, waiting])).toEqual([
      { protocol: 'tcp', hostPort: 80, hostIp: undefined, podIp: '10.42.0.5', containerPort: 8080 },
    ]);
  });

  it('belong to the pod that had them first', () => {
    const first = podObject('b', 'node-a', '10.42.0.5', 80);
    const second = produce(podObject('a', 'node-a', '10.42.0.6', 80), draft => {
      draft.status!.startTime = '2026-02-01T00:00:00Z';
    });
    expect(hostPortsOf([second, first]).map(({ podIp }) => podIp)).toEqual(['10.42.0.5']);
  });

  it('answer on one address only where they name it', () => {
    const pod = produce(podObject('web', 'node-a', '10.42.0.5', 80, 'UDP'), draft => {
      draft.spec.containers[0]!.ports![0]!.hostIP = '192.0.2.1';
    });
    const script = hostPortScript(hostPortsOf([pod]));
    expect(script).toContain('elements = { 192.0.2.1 . 80 : 10.42.0.5 . 8080 };');
    expect(script).toContain('meta l4proto udp dnat ip to ip daddr . th dport map @addressed-udp-4');
    expect(script).not.toContain('ports-udp');
  });

  it('leave no table when there are none', () => {
    expect(hostPortScript([])).toBe('add table inet k3s-host-ports\ndelete table inet k3s-host-ports\n');
  });

  it('let go of UDP clients of pods that went', () => {
    const flow = (answerer: string, destinationPort = 53): UdpFlow => ({
      family: 4,
      source: '192.0.2.9',
      sourcePort: 4000,
      destination: '192.0.2.1',
      destinationPort,
      answerer,
      answererPort: 8080,
    });
    const before = hostPortsOf([podObject('old', 'node-a', '10.42.0.5', 53, 'UDP')]);
    const now = hostPortsOf([podObject('new', 'node-a', '10.42.0.6', 53, 'UDP')]);
    const flows = [flow('10.42.0.5'), flow('10.42.0.6'), flow('192.0.2.1'), flow('10.42.0.9'), flow('192.0.2.1', 99)];
    expect(staleHostPortFlows(flows, before, now)).toEqual([flows[0], flows[2]]);
  });
});
