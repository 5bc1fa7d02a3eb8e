import assert from 'node:assert/strict';
import { Resources } from '../plugin-api/index.js';
import type { Namespace, Service } from '../plugin-api/index.js';
import { ClusterDnsBench } from './cluster-dns-bench.js';
import type { ClusterDnsConditions, ClusterDnsUnderTest } from './cluster-dns-bench.js';
import { askByTcp, askByUdp, dnsType, encodeName, encodeQuestion, readHeader } from './dns-talk.js';
import type { TestRunner } from './test-runner.js';
import { until } from './until.js';

export type { ClusterDnsConditions, ClusterDnsUnderTest } from './cluster-dns-bench.js';

export interface ClusterDnsSuiteOptions {
  /** What does not happen within this time does not happen; 10 s when absent. */
  readonly patienceMs?: number;
  /** False: the plugin cannot be told whom to ask for other names, and those cases are left out. */
  readonly asksUpstream?: boolean;
}

const zone = 'default.svc.cluster.local';
const address = (text: string): Buffer => Buffer.from(text.split('.').map(Number));

/**
 * What names in a cluster are promised, tried by questions over UDP and TCP. A case has a cluster of its own. The listener is found as
 * the service proxy finds it, by the EndpointSlices of Service kube-system/kube-dns.
 */
export function clusterDnsSuite(
  { describe, it }: TestRunner,
  makeSubject: (conditions: ClusterDnsConditions) => Promise<ClusterDnsUnderTest>,
  { patienceMs = 10_000, asksUpstream = true }: ClusterDnsSuiteOptions = {},
): void {
  const promise = (name: string, body: (bench: ClusterDnsBench) => Promise<void>, flags: readonly string[] = []): void =>
    it(name, async () => {
      const bench = await ClusterDnsBench.start(makeSubject, flags, patienceMs);
      try {
        await body(bench);
      } finally {
        await bench.dispose();
      }
    });

  describe('names', () => {
    promise('a Service is its ClusterIP, however the name is written', async bench => {
      const clusterIp = await bench.service('web');
      await bench.answered(clusterIp, `web.${zone}`);
      // Resolvers that mix capital and small letters in do so to recognize the answer; that of Node does not.
      const mixed = encodeQuestion('wEb.Default.SVC.cluster.locaL', dnsType.A, 1);
      const header = readHeader(await askByUdp(await bench.listener(), mixed, patienceMs));
      assert.deepEqual([header.rcode, header.answers], [0, 1]);
      assert.equal(await bench.ask('kubernetes.default.svc.cluster.local'), '10.43.0.1');
      assert.equal(await bench.ask('kube-dns.kube-system.svc.cluster.local'), '10.43.0.10');
    });

    promise(
      'the domain and the address of the Service are what the cluster was told',
      async bench => {
        await bench.answered('10.43.0.1', 'kubernetes.default.svc.suite.example');
        const { spec } = await bench.client.resource(Resources.Services, 'kube-system').get('kube-dns');
        assert.equal(spec.clusterIP, '10.43.0.77');
        assert.equal(await bench.ask('77.0.43.10.in-addr.arpa', 'PTR'), 'kube-dns.kube-system.svc.suite.example');
      },
      ['--cluster-domain', 'suite.example', '--cluster-dns', '10.43.0.77'],
    );

    promise('what is not there is NXDOMAIN, what has no such record is no error and no data', async bench => {
      const clusterIp = await bench.service('web');
      await bench.answered(clusterIp, `web.${zone}`);
      assert.equal(await bench.ask(`web.${zone}`, 'AAAA'), 'NODATA');
      assert.equal(await bench.ask(`web.${zone}`, 'TXT'), 'NODATA');
      assert.equal(await bench.ask(zone), 'NODATA');
      assert.equal(await bench.ask(`none.${zone}`), 'NXDOMAIN');
      assert.equal(await bench.ask(`none.${zone}`, 'AAAA'), 'NXDOMAIN');
      assert.equal(await bench.ask('web.none.svc.cluster.local'), 'NXDOMAIN');
      assert.equal(await bench.ask('web.kube-system.svc.cluster.local'), 'NXDOMAIN');
      // What the search domains of a pod make of names.
      assert.equal(await bench.ask(`web.${zone}.cluster.local`), 'NXDOMAIN');
      assert.equal(await bench.ask(`outside.test.${zone}`), 'NXDOMAIN');
    });

    promise('SRV tells the number of a named port, and whose', async bench => {
      await bench.service('web', {
        ports: [
          { name: 'http', port: 8080, protocol: 'TCP' },
          { name: 'calls', port: 5060, protocol: 'UDP' },
        ],
      });
      await bench.answered(`8080 web.${zone}`, `_http._tcp.web.${zone}`, 'SRV');
      assert.equal(await bench.ask(`_calls._udp.web.${zone}`, 'SRV'), `5060 web.${zone}`);
      assert.equal(await bench.ask(`_calls._tcp.web.${zone}`, 'SRV'), 'NXDOMAIN');
      assert.equal(await bench.ask(`_none._tcp.web.${zone}`, 'SRV'), 'NXDOMAIN');
    });

    promise('a headless Service is all endpoints that are ready, of each family, and each by its hostname', async bench => {
      await bench.service('pods', { clusterIP: 'None', ports: [{ name: 'db', port: 5432 }] });
      const unready = { address: '10.42.7.3', hostname: 'pods-2', ready: false };
      const db = { name: 'db', port: 5432 };
      await bench.slice('pods', [{ address: '10.42.7.1', hostname: 'pods-0' }, unready], db);
      await bench.slice('pods', [{ address: '10.42.7.2', hostname: 'pods-1' }], db);
      await bench.slice('pods', [{ address: 'fd00:42::7', hostname: 'pods-0' }], db);
      await bench.answered('10.42.7.1, 10.42.7.2', `pods.${zone}`);
      await bench.answered('fd00:42::7', `pods.${zone}`, 'AAAA');
      assert.equal(await bench.ask(`pods-1.pods.${zone}`), '10.42.7.2');
      assert.equal(await bench.ask(`pods-2.pods.${zone}`), 'NXDOMAIN');
      assert.equal(await bench.ask(`pods-0.pods.${zone}`, 'AAAA'), 'fd00:42::7');
      const targets = `5432 pods-0.pods.${zone}, 5432 pods-1.pods.${zone}`;
      assert.equal(await bench.ask(`_db._tcp.pods.${zone}`, 'SRV'), targets);
    });

    promise('an ExternalName is another name, and leads on inside the cluster', async bench => {
      const clusterIp = await bench.service('web');
      await bench.service('alias', { type: 'ExternalName', externalName: `web.${zone}`, ports: [] });
      await bench.answered(clusterIp, `alias.${zone}`);
      assert.equal(await bench.ask(`alias.${zone}`, 'CNAME'), `web.${zone}`);
    });

    promise('an address leads back to the Service, or to the hostname of the endpoint', async bench => {
      await bench.service('web', { clusterIP: '10.43.7.7' });
      await bench.service('pods', { clusterIP: 'None' });
      await bench.slice('pods', [{ address: '10.42.7.1', hostname: 'pods-0' }]);
      await bench.answered(`web.${zone}`, '7.7.43.10.in-addr.arpa', 'PTR');
      await bench.answered(`pods-0.pods.${zone}`, '1.7.42.10.in-addr.arpa', 'PTR');
    });

    promise('a pod is its address with dashes, in a namespace that is there', async bench => {
      await bench.answered('10.42.7.9', '10-42-7-9.default.pod.cluster.local');
      assert.equal(await bench.ask('10-42-7-9.none.pod.cluster.local'), 'NXDOMAIN');
      assert.equal(await bench.ask('no-address.default.pod.cluster.local'), 'NXDOMAIN');
    });
  });

  if (asksUpstream) {
    describe('other names', () => {
      promise('are asked of the upstream, and its answers told as they are', async bench => {
        const { records } = bench.upstream;
        const text = Buffer.from('\u0004text');
        records.set('outside.test', [
          { type: dnsType.A, data: address('192.0.2.1') },
          { type: dnsType.TXT, data: text },
        ]);
        records.set('1.2.0.192.in-addr.arpa', [{ type: dnsType.PTR, data: encodeName('outside.test') }]);
        await bench.answered('192.0.2.1', 'outside.test');
        assert.equal(await bench.ask('outside.test', 'TXT'), 'text');
        assert.equal(await bench.ask('outside.test', 'AAAA'), 'NODATA');
        assert.equal(await bench.ask('none.test'), 'NXDOMAIN');
        assert.equal(await bench.ask('1.2.0.192.in-addr.arpa', 'PTR'), 'outside.test');
      });

      promise('come whole when the upstream has too much for a datagram', async bench => {
        const many = Array.from({ length: 40 }, (_, index) => `192.0.2.${index + 10}`);
        bench.upstream.records.set(
          'many.test',
          many.map(each => ({ type: dnsType.A, data: address(each) })),
        );
        await bench.answered(many.toSorted().join(', '), 'many.test');
      });

      promise('are where an ExternalName leads', async bench => {
        bench.upstream.records.set('outside.test', [{ type: dnsType.A, data: address('192.0.2.1') }]);
        await bench.service('alias', { type: 'ExternalName', externalName: 'outside.test', ports: [] });
        await bench.answered('192.0.2.1', `alias.${zone}`);
        assert.equal(await bench.ask(`alias.${zone}`, 'CNAME'), 'outside.test');
      });

      promise('are not those of the cluster: what it does not know is nobody else to be asked', async bench => {
        await bench.answered('NXDOMAIN', `none.${zone}`);
        assert.equal(await bench.ask('none.cluster.local'), 'NXDOMAIN');
        assert.equal(await bench.ask(`none.${zone}.cluster.local`), 'NXDOMAIN');
        assert.equal(await bench.ask('barrier.test'), 'NXDOMAIN');
        assert.deepEqual([...new Set(bench.upstream.asked)], ['barrier.test']);
      });

      promise('fail when the upstream is gone, which is not NXDOMAIN, and the cluster does not', async bench => {
        await bench.answered('10.43.0.1', `kubernetes.${zone}`);
        bench.upstream.stop();
        assert.match(await bench.ask('outside.test'), /^(SERVFAIL|ETIMEOUT|EREFUSED)$/);
        assert.equal(await bench.ask(`kubernetes.${zone}`), '10.43.0.1');
      });
    });
  }

  describe('messages', () => {
    promise('that are too large for a datagram say so, and are whole over TCP', async bench => {
      await bench.service('many', { clusterIP: 'None' });
      const many = Array.from({ length: 90 }, (_, index) => `10.42.7.${index + 10}`);
      await bench.slice(
        'many',
        many.map(each => ({ address: each })),
      );
      const question = encodeQuestion(`many.${zone}`, dnsType.A, 77);
      const found = await until(
        `an answer about many.${zone}`,
        async () => {
          const header = readHeader(await askByUdp(await bench.listener(), question, 1000));
          return header.isResponse && header.rcode === 0 ? header : undefined;
        },
        patienceMs,
      );
      assert.equal(found.id, 77);
      assert.equal(found.isTruncated, true, 'it is truncated');
      assert.ok(found.bytes <= 512, `${found.bytes} bytes to somebody who takes 512`);
      const place = await bench.listener();
      const headers = (await askByTcp(place, [question], patienceMs)).map(readHeader);
      assert.deepEqual([headers[0]!.isTruncated, headers[0]!.answers], [false, 90]);
      assert.equal(await bench.ask(`many.${zone}`), many.toSorted().join(', '));
    });

    promise('come many at once over one connection', async bench => {
      await bench.answered('10.43.0.1', `kubernetes.${zone}`);
      const questions = [1, 2, 3, 4].map(id => encodeQuestion(`kubernetes.${zone}`, dnsType.A, id));
      const answers = (await askByTcp(await bench.listener(), questions, patienceMs)).map(readHeader);
      assert.deepEqual(answers.map(({ id }) => id).sort(), [1, 2, 3, 4]);
      assert.deepEqual(
        answers.map(({ answers: count }) => count),
        [1, 1, 1, 1],
      );
    });

    promise('that are none harm nobody', async bench => {
      const place = await bench.reached();
      await bench.answered('10.43.0.1', `kubernetes.${zone}`);
      const question = encodeQuestion(`kubernetes.${zone}`, dnsType.A, 1);
      // A name that points at itself, one that does not end, a question that is an answer.
      const circle = Buffer.concat([question.subarray(0, 12), Buffer.of(0xc0, 12, 0, 1, 0, 1)]);
      const answer = Buffer.from(question);
      answer[2] = 0x81;
      const rubbish = [Buffer.of(7), question.subarray(0, 12), question.subarray(0, 20), circle, answer, Buffer.alloc(400, 0xff)];
      for (const message of rubbish) {
        const reply = await askByUdp(place, message, 30).catch(() => undefined);
        const header = reply && reply.length >= 12 ? readHeader(reply) : undefined;
        assert.ok(!header || header.rcode !== 0, `${message.toString('hex')} was answered as if it were a question`);
        await askByTcp(place, [message], 30).catch(() => undefined);
      }
      assert.equal(await bench.ask(`kubernetes.${zone}`, 'A', place), '10.43.0.1');
    });
  });

  describe('changes', () => {
    promise('of Services are followed', async bench => {
      const services = bench.client.resource(Resources.Services, 'default');
      await bench.answered('NXDOMAIN', `web.${zone}`);
      const clusterIp = await bench.service('web');
      await bench.answered(clusterIp, `web.${zone}`);
      await services.patch('web', 'merge', { spec: { ports: [{ name: 'late', port: 81 }] } });
      await bench.answered(`81 web.${zone}`, `_late._tcp.web.${zone}`, 'SRV');
      await services.delete('web');
      await bench.answered('NXDOMAIN', `web.${zone}`);
      const second = await bench.service('web', { clusterIP: '10.43.7.8' });
      await bench.answered(second, `web.${zone}`);
    });

    promise('of endpoints and namespaces are followed', async bench => {
      const slices = bench.client.resource(Resources.EndpointSlices, 'default');
      await bench.service('pods', { clusterIP: 'None' });
      await bench.slice('pods', [{ address: '10.42.7.1' }]);
      await bench.answered('10.42.7.1', `pods.${zone}`);
      const [slice] = await slices.objects({ labelSelector: 'kubernetes.io/service-name=pods' });
      const { name } = slice!.metadata;
      const of = (each: string, ready: boolean): object => ({ addresses: [each], conditions: { ready } });
      await slices.patch(name!, 'merge', { endpoints: [of('10.42.7.1', false), of('10.42.7.2', true)] });
      await bench.answered('10.42.7.2', `pods.${zone}`);
      await slices.delete(name!);
      await bench.answered(/^(NXDOMAIN|NODATA)$/, `pods.${zone}`);
      const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'late' } };
      await bench.client.resource(Resources.Namespaces).create(namespace as Namespace);
      await bench.answered('10.42.7.9', '10-42-7-9.late.pod.cluster.local');
    });
  });

  describe('restarts', () => {
    promise('names are answered again, as they are by then', async bench => {
      const stays = await bench.service('stays');
      const goes = await bench.service('goes');
      await bench.answered(stays, `stays.${zone}`);
      await bench.answered(goes, `goes.${zone}`);
      await bench.subject.restart(async client => {
        const services = client.resource(Resources.Services, 'default');
        await services.delete('goes');
        const spec = { clusterIP: '10.43.7.9', ports: [{ port: 80 }] };
        await services.create({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'comes' }, spec } as Service);
      });
      await bench.answered(stays, `stays.${zone}`);
      await bench.answered('10.43.7.9', `comes.${zone}`);
      await bench.answered('NXDOMAIN', `goes.${zone}`);
    });

    promise('nobody answers any more when the plugin is not there, and its Service is gone', async bench => {
      const place = await bench.reached();
      await bench.answered('10.43.0.1', `kubernetes.${zone}`);
      await bench.subject.restart(async client => {
        const services = client.resource(Resources.Services, 'kube-system');
        await until(
          'no Service kube-dns',
          async () => !(await services.objects()).some(({ metadata }) => metadata.name === 'kube-dns'),
          patienceMs,
        );
        const question = encodeQuestion(`kubernetes.${zone}`, dnsType.A, 1);
        await assert.rejects(askByUdp(place, question, 300), 'it still answers over UDP');
        await assert.rejects(askByTcp(place, [question], 300), 'it still answers over TCP');
      });
    });
  });
}
