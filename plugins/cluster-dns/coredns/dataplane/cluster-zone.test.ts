import { beforeEach, describe, expect, it } from '@jest/globals';
import { ClusterZone } from './cluster-zone.js';
import { parseQuery, encodeAnswer, recordType, responseCode } from './wire.js';
import { dnsPacket, encodeQuestion } from './testing/dns-client.js';

let zone: ClusterZone;
const web = [{ name: 'http', protocol: 'TCP', port: 80 }];

beforeEach(() => {
  zone = new ClusterZone({ domain: 'cluster.local', dnsAddresses: ['10.43.0.10', 'fd00:43::a'], ttlSeconds: 5 });
  for (const name of ['default', 'empty', 'kube-system']) zone.setNamespace(name, true);
  zone.setService('default/web', {
    kind: 'service',
    namespace: 'default',
    name: 'web',
    clusterIps: ['10.43.0.80', 'fd00:43::80'],
    headless: false,
    ports: [...web, { name: 'dns', protocol: 'UDP', port: 53 }],
  });
  zone.setSlice('slice/default/web-1', {
    kind: 'slice',
    namespace: 'default',
    service: 'web',
    endpoints: [{ addresses: ['10.42.0.9'] }],
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  });
  zone.setService('default/db', {
    kind: 'service',
    namespace: 'default',
    name: 'db',
    clusterIps: [],
    headless: true,
    ports: [{ name: 'sql', protocol: 'TCP', port: 5432 }],
  });
  zone.setSlice('slice/default/db-1', {
    kind: 'slice',
    namespace: 'default',
    service: 'db',
    endpoints: [{ addresses: ['10.42.0.5'], hostname: 'db-0' }, { addresses: ['10.42.0.6'] }],
    ports: [{ name: 'sql', protocol: 'TCP', port: 5432 }],
  });
  zone.setService('default/bare', {
    kind: 'service',
    namespace: 'default',
    name: 'bare',
    clusterIps: [],
    headless: true,
    ports: [],
  });
  zone.setSlice('slice/default/bare-1', {
    kind: 'slice',
    namespace: 'default',
    service: 'bare',
    endpoints: [{ addresses: ['10.42.0.7', 'fd00:42::7'] }],
    ports: [],
  });
  zone.setService('default/quiet', {
    kind: 'service',
    namespace: 'default',
    name: 'quiet',
    clusterIps: [],
    headless: true,
    ports: web,
  });
  zone.setService('default/out', {
    kind: 'service',
    namespace: 'default',
    name: 'out',
    clusterIps: [],
    headless: false,
    externalName: 'Example.org.',
    ports: [],
  });
});

/** As another codec reads what ours writes. */
function lookup(name: string, type: string): string[] | string | undefined {
  const answer = zone.lookup(name.toLowerCase(), recordType[type as keyof typeof recordType]);
  if (!answer) return undefined;
  const query = parseQuery(encodeQuestion(name, { type, udpBytes: 1232 }));
  if (typeof query !== 'object') throw new Error('not a query');
  const message = dnsPacket.decode(encodeAnswer(query, answer, 1232));
  if (message.answers.length === 0) {
    expect(message.authorities).toMatchObject([
      { name: 'cluster.local', type: 'SOA', ttl: 5, data: { mname: 'ns.dns.cluster.local' } },
    ]);
    return answer.rcode === responseCode.NOERROR ? 'NODATA' : message.rcode;
  }
  expect(message.flag_aa).toBe(true);
  return message.answers.map(({ name: owner, type: kind, ttl, data }) => {
    expect([owner.toLowerCase(), ttl]).toEqual([name.toLowerCase(), 5]);
    const text =
      typeof data === 'string' ? data : Array.isArray(data) ? data.map(String).join() : Object.values(data as object).join(' ');
    return `${kind} ${text}`;
  });
}

describe('names of Services', () => {
  const cases: [string, string, string[] | string | undefined][] = [
    ['web.default.svc.cluster.local', 'A', ['A 10.43.0.80']],
    ['WEB.default.svc.Cluster.Local', 'A', ['A 10.43.0.80']],
    ['web.default.svc.cluster.local', 'AAAA', ['AAAA fd00:43::80']],
    ['web.default.svc.cluster.local', 'TXT', 'NODATA'],
    ['_http._tcp.web.default.svc.cluster.local', 'SRV', ['SRV 0 100 80 web.default.svc.cluster.local']],
    ['_http._udp.web.default.svc.cluster.local', 'SRV', 'NXDOMAIN'],
    ['_none._tcp.web.default.svc.cluster.local', 'SRV', 'NXDOMAIN'],
    ['http.tcp.web.default.svc.cluster.local', 'SRV', 'NXDOMAIN'],
    ['_dns._udp.web.default.svc.cluster.local', 'A', ['A 10.43.0.80']],
    [
      'web.default.svc.cluster.local',
      'SRV',
      ['SRV 0 50 80 web.default.svc.cluster.local', 'SRV 0 50 53 web.default.svc.cluster.local'],
    ],
    ['10-42-0-9.web.default.svc.cluster.local', 'A', ['A 10.42.0.9']],
    ['db.default.svc.cluster.local', 'A', ['A 10.42.0.5', 'A 10.42.0.6']],
    ['db.default.svc.cluster.local', 'AAAA', 'NODATA'],
    ['db-0.db.default.svc.cluster.local', 'A', ['A 10.42.0.5']],
    ['10-42-0-6.db.default.svc.cluster.local', 'A', ['A 10.42.0.6']],
    ['db-1.db.default.svc.cluster.local', 'A', 'NXDOMAIN'],
    [
      '_sql._tcp.db.default.svc.cluster.local',
      'SRV',
      ['SRV 0 50 5432 db-0.db.default.svc.cluster.local', 'SRV 0 50 5432 10-42-0-6.db.default.svc.cluster.local'],
    ],
    ['bare.default.svc.cluster.local', 'A', ['A 10.42.0.7']],
    ['bare.default.svc.cluster.local', 'AAAA', ['AAAA fd00:42::7']],
    ['bare.default.svc.cluster.local', 'SRV', 'NODATA'],
    ['quiet.default.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['out.default.svc.cluster.local', 'A', ['CNAME example.org']],
    ['out.default.svc.cluster.local', 'CNAME', ['CNAME example.org']],
    ['none.default.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['web.nowhere.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['a.b.c.web.default.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['default.svc.cluster.local', 'A', 'NODATA'],
    ['nowhere.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['svc.cluster.local', 'A', 'NODATA'],
    ['cluster.local', 'A', 'NODATA'],
    ['cluster.local', 'NS', ['NS ns.dns.cluster.local']],
    [
      'cluster.local',
      'SOA',
      [expect.stringMatching(/^SOA ns\.dns\.cluster\.local hostmaster\.cluster\.local/) as unknown as string],
    ],
    ['ns.dns.cluster.local', 'A', ['A 10.43.0.10']],
    ['ns.dns.cluster.local', 'AAAA', ['AAAA fd00:43::a']],
    ['dns-version.cluster.local', 'TXT', ['TXT 1.1.0']],
    ['other.cluster.local', 'A', 'NXDOMAIN'],
    // What the search path makes of names that are elsewhere must end here.
    ['example.org.default.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['example.org.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['example.org.cluster.local', 'A', 'NXDOMAIN'],
    ['web.default.svc.cluster.local.cluster.local', 'A', 'NXDOMAIN'],
    ['web.default.svc.cluster.local', 'ANY', 'NODATA'],
    ['_tcp.web.default.svc.cluster.local', 'SRV', 'NXDOMAIN'],
    ['x.out.default.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['out.default.svc.cluster.local', 'SRV', 'NODATA'],
    ['web.default.svc.cluster.local.example.org', 'A', undefined],
    ['notcluster.local', 'A', undefined],
  ];
  it.each(cases)('%s %s', (name, type, expected) => {
    expect(lookup(name, type)).toEqual(expected);
  });
});

describe('names of pods and addresses', () => {
  const cases: [string, string, string[] | string | undefined][] = [
    ['10-42-0-5.default.pod.cluster.local', 'A', ['A 10.42.0.5']],
    ['10-42-0-5.default.pod.cluster.local', 'AAAA', 'NODATA'],
    ['fd00-42--7.default.pod.cluster.local', 'AAAA', ['AAAA fd00:42::7']],
    ['10-42-0-256.default.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['name.default.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['x.10-42-0-5.default.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['10-42-0-5.nowhere.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['default.pod.cluster.local', 'A', 'NODATA'],
    ['pod.cluster.local', 'A', 'NODATA'],
    ['80.0.43.10.in-addr.arpa', 'PTR', ['PTR web.default.svc.cluster.local']],
    ['5.0.42.10.in-addr.arpa', 'PTR', ['PTR db-0.db.default.svc.cluster.local']],
    ['6.0.42.10.in-addr.arpa', 'PTR', ['PTR 10-42-0-6.db.default.svc.cluster.local']],
    ['80.0.43.10.in-addr.arpa', 'A', 'NODATA'],
    ['99.0.42.10.in-addr.arpa', 'PTR', undefined],
    ['0.43.10.in-addr.arpa', 'PTR', undefined],
    ['0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.4.0.0.0.0.d.f.ip6.arpa', 'PTR', ['PTR web.default.svc.cluster.local']],
  ];
  it.each(cases)('%s %s', (name, type, expected) => {
    expect(lookup(name, type)).toEqual(expected);
  });

  it('prefer the hostname, and spell addresses of both families as their own names do', () => {
    expect(lookup('7.0.42.10.in-addr.arpa', 'PTR')).toEqual(['PTR 10-42-0-7.bare.default.svc.cluster.local']);
    const six = '7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.4.0.0.0.0.d.f.ip6.arpa';
    expect(lookup(six, 'PTR')).toEqual(['PTR fd00-42--7.bare.default.svc.cluster.local']);
    expect(lookup('fd00-42--7.bare.default.svc.cluster.local', 'AAAA')).toEqual(['AAAA fd00:42::7']);
    zone.setSlice('slice/default/web-2', {
      kind: 'slice',
      namespace: 'default',
      service: 'web',
      endpoints: [{ addresses: ['10.42.0.5'] }],
      ports: web,
    });
    expect(lookup('5.0.42.10.in-addr.arpa', 'PTR')).toEqual(['PTR db-0.db.default.svc.cluster.local']);
  });

  it('follow changes', () => {
    zone.setSlice('slice/default/db-1', undefined);
    expect(lookup('db.default.svc.cluster.local', 'A')).toBe('NXDOMAIN');
    expect(lookup('5.0.42.10.in-addr.arpa', 'PTR')).toBeUndefined();
    zone.setService('default/web', undefined);
    expect(lookup('web.default.svc.cluster.local', 'A')).toBe('NXDOMAIN');
    expect(lookup('80.0.43.10.in-addr.arpa', 'PTR')).toBeUndefined();
    zone.setNamespace('empty', false);
    expect(lookup('empty.svc.cluster.local', 'A')).toBe('NXDOMAIN');
  });
});

describe('messages', () => {
  function endpoints(count: number): void {
    zone.setSlice('slice/default/db-1', {
      kind: 'slice',
      namespace: 'default',
      service: 'db',
      endpoints: Array.from({ length: count }, (_, index) => ({ addresses: [`10.42.1.${index}`], hostname: `db-${index}` })),
      ports: [{ name: 'sql', protocol: 'TCP', port: 5432 }],
    });
  }
  function encoded(name: string, type: 'A' | 'SRV', limitBytes: number, udpBytes?: number): Buffer {
    const query = parseQuery(encodeQuestion(name, { type, ...(udpBytes !== undefined && { udpBytes }) }));
    if (typeof query !== 'object') throw new Error('not a query');
    return encodeAnswer(query, zone.lookup(name, recordType[type])!, limitBytes);
  }

  it('hold 28 addresses in 512 bytes, and say so when there are more', () => {
    endpoints(28);
    const message = encoded('db.default.svc.cluster.local', 'A', 512);
    expect(message.length).toBeLessThanOrEqual(512);
    expect(dnsPacket.decode(message)).toMatchObject({ flag_tc: false });
    endpoints(60);
    const cut = dnsPacket.decode(encoded('db.default.svc.cluster.local', 'A', 512));
    expect(cut.flag_tc).toBe(true);
    expect(cut.answers.length).toBe(29);
    expect(dnsPacket.decode(encoded('db.default.svc.cluster.local', 'A', 1232, 4096)).answers.length).toBe(60);
    const whole = dnsPacket.decode(encoded('_sql._tcp.db.default.svc.cluster.local', 'SRV', 65_535));
    expect(whole.answers.length).toBe(60);
    expect(whole.additionals.map(record => record.data)).toContain('10.42.1.59');
  });

  it('cannot be anything that breaks the reader', () => {
    const good = encodeQuestion('web.default.svc.cluster.local', { udpBytes: 1232 });
    for (let length = 0; length < good.length; length++) {
      const result = parseQuery(good.subarray(0, length));
      expect(typeof result === 'object').toBe(false);
    }
    let seed = 7;
    for (let round = 0; round < 20_000; round++) {
      const broken = Buffer.from(good);
      for (let change = 0; change < 3; change++) {
        seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
        broken[seed % broken.length] = (seed >> 8) & 0xff;
      }
      const query = parseQuery(broken);
      if (typeof query === 'object')
        encodeAnswer(query, { rcode: 0, authoritative: true, answers: [], authority: [], additional: [] }, 512);
    }
    // A pointer to itself.
    const loop = Buffer.concat([good.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]);
    expect(parseQuery(loop)).toBe(responseCode.FORMERR);
  });
});
