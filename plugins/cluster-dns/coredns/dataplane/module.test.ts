import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import type { DataplaneModule } from '../../../../core/plugin-api/dataplane.js';
import { createModule } from './module.js';
import type { DnsConfig, DnsCustom, DnsEntry, DnsHosts, DnsReport } from './state.js';
import { ask, dnsPacket, encodeQuestion } from './testing/dns-client.js';

let module: DataplaneModule<DnsEntry>;
let reports: DnsReport[];
let port: number;
let upstream: { socket: Socket; server: Server; port: number; asked: string[] };

const hosts = (names: Record<string, string>, fallthrough = true): DnsHosts => ({
  entries: Object.entries(names).map(([name, address]) => ({ address, names: [name] })),
  ttlSeconds: 60,
  fallthrough,
  reverse: true,
});
const config: DnsConfig = {
  kind: 'config',
  listen: [{ address: '127.0.0.1', port: 0 }],
  metrics: [],
  allowed: ['10.42.0.0/16'],
  domain: 'cluster.local',
  dnsAddresses: ['10.43.0.10'],
  ttlSeconds: 5,
  resolvConf: '/nonexistent/resolv.conf',
};
const custom = (more: Partial<DnsCustom> = {}): DnsCustom => ({
  kind: 'custom',
  nodeHosts: hosts({ 'node-1': '192.168.0.1' }),
  hosts: [],
  forwards: [{ from: '', to: [`127.0.0.1:${upstream.port}`], except: [], policy: 'random', forceTcp: false }],
  servers: [],
  ...more,
});

/** Answers names below `ok.` with an address, `big.` too large for UDP, `cname.` by an alias, all else with NXDOMAIN. */
function answerOf(message: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined {
  const { id, questions } = dnsPacket.decode(message);
  const { name, type } = questions[0]!;
  const soa = { mname: 'ns.example', rname: 'x.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 20 };
  upstream.asked.push(`${name} ${type}`);
  const base = { type: 'response', id, flags: 0x180, questions };
  if (name === 'silent.example') return undefined;
  if (name.startsWith('big.') && transport === 'udp') return dnsPacket.encode({ ...base, flags: 0x380 });
  if (name.startsWith('big.')) {
    const answers = Array.from({ length: 200 }, (_, index) => ({ name, type: 'A', ttl: 300, data: `10.9.0.${index}` }));
    return dnsPacket.encode({ ...base, answers });
  }
  if (name.startsWith('ok.')) {
    const additionals = [{ type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] }];
    return dnsPacket.encode({ ...base, answers: [{ name, type: 'A', ttl: 300, data: '10.9.9.9' }], additionals });
  }
  return dnsPacket.encode({ ...base, flags: 0x183, authorities: [{ name: 'example', type: 'SOA', ttl: 20, data: soa }] });
}

beforeEach(async () => {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const answer = answerOf(message, 'udp');
    if (answer) socket.send(answer, from.port, from.address);
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  const server = createServer(connection => {
    connection.on('data', chunk => {
      const answer = answerOf(chunk.subarray(2), 'tcp')!;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length, 0);
      connection.write(Buffer.concat([length, answer]));
    });
  });
  await new Promise<void>(resolve => server.listen(socket.address().port, '127.0.0.1', resolve));
  upstream = { socket, server, port: socket.address().port, asked: [] };
  reports = [];
  module = createModule({ report: report => void reports.push(report as DnsReport), log: () => undefined });
  await module.apply({
    set: new Map<string, DnsEntry>([
      ['config', config],
      ['custom', custom()],
      ['namespace/default', { kind: 'namespace', name: 'default' }],
      [
        'service/default/web',
        {
          kind: 'service',
          namespace: 'default',
          name: 'web',
          clusterIps: ['10.43.0.80'],
          headless: false,
          ports: [{ name: '', protocol: 'TCP', port: 80 }],
        },
      ],
      [
        'service/default/out',
        {
          kind: 'service',
          namespace: 'default',
          name: 'out',
          clusterIps: [],
          headless: false,
          externalName: 'ok.example',
          ports: [],
        },
      ],
      [
        'service/default/near',
        {
          kind: 'service',
          namespace: 'default',
          name: 'near',
          clusterIps: [],
          headless: false,
          externalName: 'web.default.svc.cluster.local',
          ports: [],
        },
      ],
      [
        'service/default/many',
        { kind: 'service', namespace: 'default', name: 'many', clusterIps: [], headless: true, ports: [] },
      ],
      [
        'slice/default/many-1',
        {
          kind: 'slice',
          namespace: 'default',
          service: 'many',
          ports: [],
          endpoints: Array.from({ length: 50 }, (_, index) => ({ addresses: [`10.42.3.${index}`] })),
        },
      ],
    ]),
    deleted: [],
  });
  port = reports.at(-1)!.listening[0]!.port;
});
afterEach(async () => {
  await module.drain(0);
  upstream.socket.close();
  upstream.server.close();
});

describe('cluster DNS on the wire', () => {
  it('answers Services over UDP and TCP, cuts what is too long, and mixes the order', async () => {
    expect(await ask(port, 'Web.default.svc.cluster.local')).toMatchObject({
      id: 0x1234,
      rcode: 'NOERROR',
      flag_aa: true,
      flag_ra: true,
      flag_rd: true,
      questions: [{ name: 'Web.default.svc.cluster.local' }],
      answers: [{ name: 'Web.default.svc.cluster.local', data: '10.43.0.80', ttl: 5 }],
    });
    const cut = await ask(port, 'many.default.svc.cluster.local');
    expect(cut.flag_tc).toBe(true);
    expect(cut.bytes).toBeLessThanOrEqual(512);
    expect((await ask(port, 'many.default.svc.cluster.local', { udpBytes: 4096 })).answers.length).toBe(50);
    expect((await ask(port, 'many.default.svc.cluster.local', { transport: 'tcp' })).answers.length).toBe(50);
    const firsts = new Set<unknown>();
    for (let round = 0; round < 20; round++) {
      firsts.add((await ask(port, 'many.default.svc.cluster.local', { transport: 'tcp' })).answers[0]!.data);
    }
    expect(firsts.size).toBeGreaterThan(3);
    expect(upstream.asked).toEqual([]);
  });

  it('forwards other names, keeps answers and refusals, and asks again over TCP what was cut', async () => {
    const answer = { rcode: 'NOERROR', flag_aa: false, answers: [{ name: 'ok.example', data: '10.9.9.9', ttl: 300 }] };
    expect(await ask(port, 'ok.example')).toMatchObject(answer);
    const again = await ask(port, 'OK.example', { udpBytes: 1232 });
    expect(again.questions[0]!.name).toBe('OK.example');
    expect(again.additionals).toMatchObject([{ udpPayloadSize: 1232 }]);
    expect((await ask(port, 'ok.example')).additionals).toEqual([]);
    for (let round = 0; round < 2; round++) expect((await ask(port, 'none.example')).rcode).toBe('NXDOMAIN');
    expect(upstream.asked).toEqual(['ok.example A', 'none.example A']);
    expect((await ask(port, 'big.example', { udpBytes: 1232 })).flag_tc).toBe(true);
    expect((await ask(port, 'big.example', { transport: 'tcp' })).answers.length).toBe(200);
    // Many at once are one question.
    upstream.asked.length = 0;
    await Promise.all(Array.from({ length: 20 }, () => ask(port, 'ok.burst')));
    expect(upstream.asked).toEqual(['ok.burst A']);
  });

  it('follows external names, here and elsewhere', async () => {
    expect((await ask(port, 'out.default.svc.cluster.local')).answers).toMatchObject([
      { type: 'CNAME', data: 'ok.example' },
      { name: 'ok.example', type: 'A', data: '10.9.9.9' },
    ]);
    expect((await ask(port, 'near.default.svc.cluster.local')).answers).toMatchObject([
      { type: 'CNAME', data: 'web.default.svc.cluster.local' },
      { name: 'web.default.svc.cluster.local', type: 'A', data: '10.43.0.80' },
    ]);
  });

  it('serves NodeHosts, custom hosts and blocks for other zones', async () => {
    expect((await ask(port, 'node-1')).answers).toMatchObject([{ data: '192.168.0.1', ttl: 60 }]);
    expect((await ask(port, '1.0.168.192.in-addr.arpa', { type: 'PTR' })).answers).toMatchObject([{ data: 'node-1' }]);
    const block = { zones: ['corp.test'], hosts: [hosts({ 'a.corp.test': '10.1.1.1' }, false)], forwards: [] };
    const forward = {
      from: 'ok.lan',
      to: [`127.0.0.1:${upstream.port}`],
      except: [],
      policy: 'random',
      forceTcp: false,
    } as const;
    await module.apply({
      set: new Map([['custom', custom({ hosts: [hosts({ 'x.test': '10.2.2.2' })], servers: [block], forwards: [forward] })]]),
      deleted: [],
    });
    expect((await ask(port, 'a.corp.test')).answers).toMatchObject([{ data: '10.1.1.1' }]);
    expect((await ask(port, 'b.corp.test')).rcode).toBe('NXDOMAIN');
    expect((await ask(port, 'x.test')).answers).toMatchObject([{ data: '10.2.2.2' }]);
    expect((await ask(port, 'ok.lan')).answers).toMatchObject([{ data: '10.9.9.9' }]);
    // The file of the rest cannot be read: the failure is told, not waited for.
    expect((await ask(port, 'ok.example')).rcode).toBe('SERVFAIL');
  });

  it('keeps refusals with their SOA, the older the shorter', async () => {
    const soa = { name: 'example', type: 'SOA', ttl: 20 };
    expect((await ask(port, 'none.example')).authorities).toMatchObject([soa]);
    expect((await ask(port, 'none.example', { type: 'AAAA' })).authorities).toMatchObject([soa]);
    expect((await ask(port, 'None.example')).authorities).toMatchObject([soa]);
    expect(upstream.asked).toEqual(['none.example A', 'none.example AAAA']);
  });

  it('ends circles of external names', async () => {
    const external = (name: string, to: string): [string, DnsEntry] => [
      `service/default/${name}`,
      { kind: 'service', namespace: 'default', name, clusterIps: [], headless: false, externalName: to, ports: [] },
    ];
    const zone = 'default.svc.cluster.local';
    await module.apply({
      set: new Map([external('one', `two.${zone}`), external('two', `one.${zone}`), external('far', `out.${zone}`)]),
      deleted: [],
    });
    const { rcode, answers } = await ask(port, `one.${zone}`, { udpBytes: 1232 });
    expect([rcode, new Set(answers.map(({ type }) => type))]).toEqual(['NOERROR', new Set(['CNAME'])]);
    expect((await ask(port, `far.${zone}`)).answers.map(({ type, data }) => `${type} ${String(data)}`)).toEqual([
      `CNAME out.${zone}`,
      'CNAME ok.example',
      'A 10.9.9.9',
    ]);
  });

  it('asks another server when one does not answer, and says so when none does', async () => {
    const closed = createSocket('udp4');
    await new Promise<void>(resolve => closed.bind(0, '127.0.0.1', resolve));
    const dead = `127.0.0.1:${closed.address().port}`;
    await new Promise<void>(resolve => closed.close(resolve));
    const use = (to: string[], policy: 'sequential' | 'round_robin'): Promise<void> | void =>
      module.apply({
        set: new Map([['custom', custom({ forwards: [{ from: '', to, except: [], policy, forceTcp: false }] })]]),
        deleted: [],
      });
    await use([dead, `127.0.0.1:${upstream.port}`], 'sequential');
    expect(await ask(port, 'ok.one')).toMatchObject({ rcode: 'NOERROR' });
    await use([dead, `127.0.0.1:${upstream.port}`], 'round_robin');
    for (const name of ['ok.a', 'ok.b', 'ok.c']) expect(await ask(port, name)).toMatchObject({ rcode: 'NOERROR' });
    await use([dead], 'sequential');
    const failed = await ask(port, 'ok.two', { udpBytes: 1232 });
    expect([failed.rcode, failed.questions[0]!.name, failed.additionals.length]).toEqual(['SERVFAIL', 'ok.two', 1]);
    // A failure is not kept.
    await use([`127.0.0.1:${upstream.port}`], 'sequential');
    expect(await ask(port, 'ok.two')).toMatchObject({ rcode: 'NOERROR' });
  });

  it('gives the whole zone to nobody, knows no other version of EDNS, and no other class', async () => {
    for (const transport of ['udp', 'tcp'] as const) {
      for (const name of ['cluster.local', 'ok.example']) {
        expect(await ask(port, name, { type: 'AXFR', transport })).toMatchObject({ rcode: 'REFUSED', answers: [] });
      }
    }
    expect(upstream.asked).toEqual([]);
    const send = async (change: (question: Buffer) => void): Promise<Buffer> => {
      const socket = createSocket('udp4');
      const question = encodeQuestion('web.default.svc.cluster.local', { udpBytes: 1232 });
      change(question);
      const answer = new Promise<Buffer>(resolve => socket.once('message', resolve));
      socket.send(question, port, '127.0.0.1');
      return answer.finally(() => socket.close());
    };
    const plain = await send(() => undefined);
    expect(dnsPacket.decode(plain).answers).toHaveLength(1);
    // BADVERS is 16: its upper bits are in the EDNS record.
    const other = await send(question => (question[question.length - 5] = 1));
    expect([other[3]! & 0xf, other[other.length - 6]]).toEqual([0, 1]);
    expect(dnsPacket.decode(other).answers).toEqual([]);
    const chaos = await send(question => question.writeUInt16BE(3, question.length - 13));
    expect(chaos[3]! & 0xf).toBe(5);
  });

  it('refuses what it cannot serve', async () => {
    const socket = createSocket('udp4');
    const answer = new Promise<Buffer>(resolve => socket.once('message', resolve));
    const notify = encodeQuestion('web.default.svc.cluster.local');
    notify.writeUInt16BE(0x2000, 2);
    socket.send(notify, port, '127.0.0.1');
    expect((await answer)[3]! & 0xf).toBe(4);
    socket.close();
  });

  it('moves when told, and says what it cannot bind', async () => {
    const taken = createServer();
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
    const { port: takenPort } = taken.address() as { port: number };
    await module.apply({
      set: new Map([['config', { ...config, listen: [{ address: '127.0.0.1', port: takenPort }] }]]),
      deleted: [],
    });
    expect(reports.at(-1)).toMatchObject({ listening: [], failures: [expect.stringContaining('EADDRINUSE')] });
    taken.close();
    await expect(ask(port, 'node-1', { timeoutMs: 200 })).rejects.toThrow();
  });

  it('answers quickly', async () => {
    const client = createSocket('udp4');
    const question = encodeQuestion('web.default.svc.cluster.local');
    const total = 20_000;
    let received = 0;
    let sent = 0;
    await new Promise<void>(resolve => {
      const startedMs = performance.now();
      const send = (): void => {
        sent += 1;
        client.send(question);
      };
      client.on('message', () => {
        received += 1;
        if (received >= total) {
          const perSecond = Math.round(total / ((performance.now() - startedMs) / 1000));
          process.stdout.write(`DNS: ${perSecond} answers a second, the asker in the same process\n`);
          resolve();
        } else if (sent < total) send();
      });
      client.connect(port, '127.0.0.1', () => {
        for (let window = 0; window < 32; window++) send();
      });
    });
    client.close();
  });
});
