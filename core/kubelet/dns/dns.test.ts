import { describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pod, PodSpec } from '../../api/generated/types.js';
import { parseResolvConf, readNodeDns } from './node-dns.js';
import { podDns } from './pod-dns.js';

const settings = { clusterDns: ['10.43.0.10'], clusterDomain: 'cluster.local' };
const node = { servers: ['192.0.2.1'], searches: ['example.org'], options: ['timeout:2'] };
const clusterSearches = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'];

const dnsOf = (spec: Partial<PodSpec>, own: typeof node | undefined = node) =>
  podDns({ metadata: { namespace: 'shop' }, spec } as Pod, settings, own);

describe('the DNS of pods', () => {
  it('is the cluster first, with the domains that the node searches', () => {
    const cluster = { servers: ['10.43.0.10'], searches: [...clusterSearches, 'example.org'], options: ['ndots:5'] };
    expect(dnsOf({ dnsPolicy: 'ClusterFirst' })).toEqual(cluster);
    expect(dnsOf({ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true })).toEqual(cluster);
  });

  it("is the node's for Default and for host network", () => {
    expect(dnsOf({ dnsPolicy: 'Default' })).toEqual(node);
    expect(dnsOf({ dnsPolicy: 'ClusterFirst', hostNetwork: true })).toEqual(node);
  });

  it("is the runtime's own where the node is not this host", () => {
    expect(podDns({ metadata: {}, spec: { dnsPolicy: 'Default' } } as Pod, settings, undefined)).toBeUndefined();
  });

  it('is what the pod says, added or alone', () => {
    const dnsConfig = {
      nameservers: ['198.51.100.1'],
      searches: ['a.test'],
      options: [{ name: 'ndots', value: '2' }, { name: 'debug' }],
    };
    expect(dnsOf({ dnsPolicy: 'None', dnsConfig })).toEqual({
      servers: ['198.51.100.1'],
      searches: ['a.test'],
      options: ['ndots:2', 'debug'],
    });
    expect(dnsOf({ dnsConfig })).toEqual({
      servers: ['10.43.0.10', '198.51.100.1'],
      searches: [...clusterSearches, 'example.org', 'a.test'],
      options: ['ndots:2', 'debug'],
    });
  });

  it('keeps to three servers and 2048 characters of domains', () => {
    const searches = Array.from({ length: 30 }, (_, at) => `${'x'.repeat(60)}.${'y'.repeat(60)}.d${at}`);
    const nameservers = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'];
    const dns = dnsOf({ dnsPolicy: 'None', dnsConfig: { nameservers, searches } });
    expect(dns?.servers).toEqual(nameservers.slice(0, 3));
    expect(dns!.searches.join(' ').length).toBeLessThanOrEqual(2048);
    expect(dns!.searches.length).toBeGreaterThan(10);
  });
});

describe("the node's resolv.conf", () => {
  it('is read as the resolver does', () => {
    const text =
      'nameserver 192.0.2.1 # first\n; no\nnameserver\t2001:db8::1\nsearch a.test\nsearch b.test. c.test\noptions ndots:1 rotate\n';
    expect(parseResolvConf(text)).toEqual({
      servers: ['192.0.2.1', '2001:db8::1'],
      searches: ['b.test', 'c.test'],
      options: ['ndots:1', 'rotate'],
    });
  });

  it('is the first that names servers which pods can reach', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dns-'));
    try {
      const [stub, real] = [join(folder, 'stub'), join(folder, 'real')];
      await writeFile(stub, 'nameserver 127.0.0.53\n');
      await writeFile(real, 'nameserver 192.0.2.7\n');
      expect((await readNodeDns([join(folder, 'none'), stub, real])).servers).toEqual(['192.0.2.7']);
      expect((await readNodeDns([stub])).servers).toEqual(['8.8.8.8']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
