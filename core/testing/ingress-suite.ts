import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Resources } from '../plugin-api/index.js';
import { IngressBench, ingressOf } from './ingress-bench.js';
import type { IngressUnderTest, Reached } from './ingress-bench.js';
import type { TestRunner } from './test-runner.js';
import { until } from './until.js';

export type { IngressUnderTest } from './ingress-bench.js';

export interface IngressSuiteOptions {
  /** What does not happen within this time does not happen; 10 s when absent. */
  readonly patienceMs?: number;
}

const reachedAt = '198.51.100.80';

/**
 * What Ingresses are promised, tried by requests. A case has a cluster of its own, which is empty; endpoints are servers of this
 * process. Listeners are found as the load balancer finds them, by the Service with ports 80 and 443.
 */
export function ingressSuite(
  { describe, it }: TestRunner,
  makeSubject: () => Promise<IngressUnderTest>,
  { patienceMs = 10_000 }: IngressSuiteOptions = {},
): void {
  const promise = (name: string, body: (bench: IngressBench) => Promise<void>): void =>
    it(name, async () => {
      const bench = new IngressBench(await makeSubject(), patienceMs);
      try {
        await body(bench);
      } finally {
        await bench.dispose();
      }
    });

  describe('routes', () => {
    promise('a Service of type LoadBalancer leads to the listeners, and what nobody routes is not found', async bench => {
      await bench.answeredBy('404', 'nobody.test');
    });

    promise('a host and a path lead to the endpoints of a Service', async bench => {
      await bench.backend('web');
      await bench.route('web', 'web.test', { '/shop': 'web' });
      await bench.answeredBy('web', 'web.test', { path: '/shop' });
      assert.equal(await bench.answerer('WEB.test:80', { path: '/shop/cart?x=/y' }), 'web');
      assert.equal(await bench.answerer('web.test', { path: '/' }), '404');
      assert.equal(await bench.answerer('other.test', { path: '/shop' }), '404');
    });

    promise('exact paths come before prefixes, longer before shorter, and prefixes end at a slash', async bench => {
      for (const name of ['root', 'a', 'ab', 'exact']) await bench.backend(name);
      await bench.route('web', 'web.test', { '/': 'root', '/a': 'a', '/a/b/': 'ab', '=/a/b': 'exact', '=/exact': 'exact' });
      await bench.answeredBy('root', 'web.test');
      const expected = {
        '/a': 'a',
        '/a/': 'a',
        '/ab': 'root',
        '/a/b': 'exact',
        '/a/b/': 'ab',
        '/a/b/c': 'ab',
        '/a/bc': 'a',
        '/A': 'root',
        '/exact': 'exact',
        '/exact/': 'root',
        '/exact?x': 'exact',
      };
      const found: Record<string, string> = {};
      for (const path of Object.keys(expected)) found[path] = await bench.answerer('web.test', { path });
      assert.deepEqual(found, expected);
    });

    promise('an exact host comes before a wildcard, which is one label, and both before no host', async bench => {
      for (const name of ['exact', 'wildcard', 'any']) await bench.backend(name);
      await bench.route('any', '', { '/': 'any' });
      await bench.route('wildcard', '*.web.test', { '/': 'wildcard' });
      await bench.route('exact', 'one.web.test', { '/': 'exact' });
      await bench.answeredBy('exact', 'one.web.test');
      assert.equal(await bench.answerer('two.web.test'), 'wildcard');
      assert.equal(await bench.answerer('a.two.web.test'), 'any');
      assert.equal(await bench.answerer('web.test'), 'any');
      assert.equal(await bench.answerer('other.test'), 'any');
    });

    promise('a default backend takes what no rule takes', async bench => {
      await bench.backend('web');
      await bench.backend('rest');
      await bench.route('web', 'web.test', { '/web': 'web' });
      const defaultBackend = { service: { name: 'rest', port: { number: 80 } } };
      await bench.route('rest', '', {}, { defaultBackend });
      await bench.answeredBy('rest', 'other.test');
      await bench.answeredBy('web', 'web.test', { path: '/web' });
    });

    promise("a Service's port is meant by its name or number, and leads to that port of its endpoints", async bench => {
      await bench.service('web', [
        { name: 'public', port: 80 },
        { name: 'admin', port: 8081 },
      ]);
      await bench.slice('web', 'public', await bench.listen('public'), true, 'public');
      await bench.slice('web', 'admin', await bench.listen('admin'), true, 'admin');
      for (const [name, port] of Object.entries({ a: { name: 'admin' }, b: { number: 8081 }, c: { number: 80 } })) {
        const backend = { service: { name: 'web', port } };
        await bench.route(
          name,
          '',
          {},
          { rules: [{ host: `${name}.test`, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }] },
        );
      }
      await bench.answeredBy('admin', 'a.test');
      await bench.answeredBy('admin', 'b.test');
      await bench.answeredBy('public', 'c.test');
      for (let round = 0; round < 4; round++) assert.equal(await bench.answerer('a.test'), 'admin');
    });

    promise('it serves its own class, which is the default, and no other', async bench => {
      const classes = bench.client.resource(Resources.IngressClasses);
      const defaults = (await classes.objects()).filter(
        ({ metadata }) => metadata.annotations?.['ingressclass.kubernetes.io/is-default-class'] === 'true',
      );
      assert.equal(defaults.length, 1, `${defaults.length} default classes`);
      const metadata = { name: 'suite' };
      await classes.create({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata,
        spec: { controller: 'suite.example.com/x' },
      });
      await bench.backend('web');
      await bench.route('foreign', 'foreign.test', { '/': 'web' }, { ingressClassName: 'suite' });
      await bench.route('named', 'named.test', { '/': 'web' }, { ingressClassName: defaults[0]!.metadata.name });
      await bench.answeredBy('web', 'named.test');
      await bench.barrier('web');
      assert.equal(await bench.answerer('foreign.test'), '404');
    });

    promise('an Ingress whose Service or Secret is missing harms nobody else, and is served when they come', async bench => {
      await bench.route('broken', 'broken.test', { '/': 'late' }, { tls: [{ hosts: ['broken.test'], secretName: 'none' }] });
      await bench.backend('web');
      await bench.route('web', 'web.test', { '/': 'web' });
      await bench.answeredBy('web', 'web.test');
      await bench.answeredBy(/^(404|50\d)$/, 'broken.test');
      await bench.backend('late');
      await bench.answeredBy('late', 'broken.test');
    });
  });

  describe('requests', () => {
    promise('arrive as they were sent, with who sent them, and answers go back as they are', async bench => {
      await bench.backend('web');
      await bench.route('web', 'web.test', { '/': 'web' });
      await bench.answeredBy('web', 'web.test');
      const headers = { 'x-own': 'kept', 'x-forwarded-for': '198.51.100.1', 'x-forwarded-proto': 'gopher' };
      const { headers: back, body } = await bench.ask('web.test', {
        path: '/p%20q?a=b&c',
        method: 'PUT',
        headers,
        body: 'the body',
      });
      const reached = JSON.parse(body) as Reached;
      assert.deepEqual([reached.method, reached.url, reached.body], ['PUT', '/p%20q?a=b&c', 'the body']);
      assert.equal(reached.headers.host, 'web.test');
      assert.equal(reached.headers['x-own'], 'kept');
      assert.equal(reached.headers['x-forwarded-proto'], 'http');
      const client = String(reached.headers['x-forwarded-for']).split(',').at(-1)!.trim();
      assert.equal(client.replace('::ffff:', ''), await bench.nodeAddress(), 'X-Forwarded-For ends with who connected');
      assert.equal(back['x-suite'], 'web');
    });

    promise('bodies stream, both ways at once', async bench => {
      await bench.backend('echo', server => {
        server.removeAllListeners('request');
        server.on('request', (request, response) => void request.pipe(response));
      });
      await bench.route('echo', 'echo.test', { '/': 'echo' });
      await until('the route', async () => (await bench.ask('echo.test')).status === 200, patienceMs);
      const { plain } = await bench.listeners();
      const options = {
        host: plain.address,
        port: plain.port,
        method: 'POST',
        headers: { host: 'echo.test' },
        agent: false as const,
      };
      const request = httpRequest({ ...options, timeout: patienceMs });
      request.on('timeout', () => request.destroy(new Error('nothing streamed in time')));
      request.write('first');
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const chunks = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
      assert.equal(String((await chunks.next()).value), 'first');
      request.end('second');
      assert.equal(String((await chunks.next()).value), 'second');
      assert.equal((await chunks.next()).done, true);
    });

    promise('upgrade to WebSockets', async bench => {
      await bench.backend('socket', server => {
        server.on('upgrade', (_request, socket: Socket, head: Buffer) => {
          socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
          socket.write(head);
          socket.pipe(socket);
        });
      });
      await bench.route('socket', 'socket.test', { '/': 'socket' });
      await bench.answeredBy('socket', 'socket.test');
      const { plain } = await bench.listeners();
      const headers = { host: 'socket.test', connection: 'Upgrade', upgrade: 'websocket' };
      const request = httpRequest({ host: plain.address, port: plain.port, headers, agent: false, timeout: patienceMs });
      request.on('timeout', () => request.destroy(new Error('no upgrade in time')));
      request.end();
      const [, socket] = (await Promise.race([
        once(request, 'upgrade'),
        once(request, 'response').then(([{ statusCode }]) => Promise.reject(new Error(`${statusCode} instead of an upgrade`))),
      ])) as [IncomingMessage, Socket];
      socket.write('over and back');
      assert.equal(String((await once(socket, 'data'))[0]), 'over and back');
      socket.destroy();
    });

    promise('go to all endpoints that are ready, and to no others', async bench => {
      await bench.service('web');
      await bench.route('web', 'web.test', { '/': 'web' });
      await bench.answeredBy('503', 'web.test');
      for (const name of ['one', 'two', 'unready']) await bench.slice('web', name, await bench.listen(name), name !== 'unready');
      const seen = new Set<string>();
      await until(
        'answers of both',
        async () => {
          seen.add(await bench.answerer('web.test'));
          return seen.has('one') && seen.has('two');
        },
        patienceMs,
      );
      assert.ok(!seen.has('unready'), 'one that is not ready answered');
      await bench.setReady('one', false);
      await until(
        'ten answers of the other alone',
        async () => {
          for (let count = 0; count < 10; count++) if ((await bench.answerer('web.test')) !== 'two') return false;
          return true;
        },
        patienceMs,
      );
    });

    promise('to endpoints that nobody listens at are answered by a 5xx', async bench => {
      await bench.backend('web');
      await bench.service('dead');
      // Port 1 belongs to a service that no machine runs any more.
      await bench.slice('dead', 'dead', 1);
      await bench.route('web', 'web.test', { '/': 'web', '/dead': 'dead' });
      await bench.answeredBy('web', 'web.test');
      await bench.answeredBy(/^50[234]$/, 'web.test', { path: '/dead' });
      assert.equal(await bench.answerer('web.test'), 'web');
    });

    promise('by TLS see the certificate of their host, and a new one when its Secret changes', async bench => {
      await bench.backend('web');
      for (const host of ['a.test', 'b.test']) {
        await bench.tlsSecret(host, host, `first of ${host}`);
        await bench.route(host, host, { '/': 'web' }, { tls: [{ hosts: [host], secretName: host }] });
      }
      const certified = (host: string, commonName: string): Promise<unknown> =>
        until(
          `${commonName} for ${host}`,
          async () => {
            const { certificate } = await bench.ask(host, { isSecure: true });
            if (certificate !== commonName) throw new Error(`it is ${certificate}`);
            return true;
          },
          patienceMs,
        );
      await certified('a.test', 'first of a.test');
      await certified('b.test', 'first of b.test');
      const { body } = await bench.ask('a.test', { isSecure: true });
      assert.equal((JSON.parse(body) as Reached).headers['x-forwarded-proto'], 'https');
      await bench.tlsSecret('a.test', 'a.test', 'second of a.test');
      await certified('a.test', 'second of a.test');
      await certified('b.test', 'first of b.test');
    });
  });

  describe('changes', () => {
    promise('of an Ingress take effect, and so does its end', async bench => {
      await bench.backend('one');
      await bench.backend('two');
      await bench.route('web', 'web.test', { '/': 'one' });
      await bench.answeredBy('one', 'web.test');
      const ingresses = bench.client.resource(Resources.Ingresses, 'default');
      await ingresses.patch('web', 'merge', { spec: { rules: ingressOf('web', 'new.test', { '/': 'two' }).spec.rules } });
      await bench.answeredBy('two', 'new.test');
      await bench.answeredBy('404', 'web.test');
      await ingresses.delete('web');
      await bench.answeredBy('404', 'new.test');
    });

    promise('of where it is reached are in the status, and in that of no other class', async bench => {
      await bench.backend('web');
      await bench.route('web', 'web.test', { '/': 'web' });
      await bench.route('foreign', 'foreign.test', { '/': 'web' }, { ingressClassName: 'suite' });
      await bench.answeredBy('web', 'web.test');
      const services = await bench.client.resource(Resources.Services).objects();
      const { metadata } = services.find(({ spec }) => spec.type === 'LoadBalancer')!;
      const status = { loadBalancer: { ingress: [{ ip: reachedAt, ipMode: 'VIP' }] } };
      await bench.client
        .resource(Resources.Services, metadata.namespace)
        .subresource('status')
        .patch(metadata.name!, 'merge', { status });
      const ingresses = bench.client.resource(Resources.Ingresses, 'default');
      const told = (name: string): Promise<unknown> =>
        until(
          `the status of ${name}`,
          async () => {
            const found = (await ingresses.get(name)).status?.loadBalancer?.ingress ?? [];
            return found.length === 1 && found[0]!.ip === reachedAt;
          },
          patienceMs,
        );
      await told('web');
      // Whoever is told after all others.
      await bench.route('late', 'late.test', { '/': 'web' });
      await told('late');
      assert.deepEqual((await ingresses.get('foreign')).status?.loadBalancer?.ingress ?? [], []);
    });
  });

  describe('restarts', () => {
    promise('everything is served again, as it is by then', async bench => {
      for (const name of ['stays', 'goes', 'comes']) await bench.backend(name);
      await bench.route('stays', 'stays.test', { '/': 'stays' });
      await bench.route('goes', 'goes.test', { '/': 'goes' });
      await bench.answeredBy('stays', 'stays.test');
      await bench.answeredBy('goes', 'goes.test');
      // While the plugin is away its class may be too, and then nobody gives it to an Ingress.
      const { ingressClassName } = (await bench.client.resource(Resources.Ingresses, 'default').get('stays')).spec;
      await bench.subject.restart(async client => {
        const ingresses = client.resource(Resources.Ingresses, 'default');
        await ingresses.delete('goes');
        await ingresses.create(ingressOf('comes', 'comes.test', { '/': 'comes' }, { ingressClassName }));
      });
      await bench.answeredBy('stays', 'stays.test');
      await bench.answeredBy('comes', 'comes.test');
      await bench.answeredBy('404', 'goes.test');
    });

    promise('nobody listens any more when the ingress is not there', async bench => {
      const { plain, secure } = await bench.listeners();
      await bench.answeredBy('404', 'nobody.test');
      await bench.subject.restart(async () => {
        for (const { address, port } of [plain, secure]) {
          const socket = connect(port, address);
          const outcome = await Promise.race([
            once(socket, 'connect').then(() => 'connected'),
            once(socket, 'error').then(() => 'refused'),
          ]).catch(() => 'refused');
          socket.destroy();
          assert.equal(outcome, 'refused', `${address}:${port}`);
        }
      });
    });
  });
}
