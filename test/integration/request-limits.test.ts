import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestLimits } from '../../core/apiserver/flowcontrol/flow-control.js';
import { connect, send, shows } from '../differential/replay.js';
import type { Answer, Server } from '../differential/replay.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';

const flow = '/apis/flowcontrol.apiserver.k8s.io/v1';
const maps = '/api/v1/namespaces/default/configmaps';
const debug = '/debug/api_priority_and_fairness';

/** A request that takes as long as the test wants: its body is not sent to its end before. */
interface Held {
  readonly answered: Promise<{ code: number; headers: IncomingMessage['headers']; text: string }>;
  finish(): void;
  readonly outgoing: ClientRequest;
}

/** What is looked at of the objects. */
interface Shown {
  readonly metadata: { readonly uid: string };
  readonly spec: { readonly limited: { readonly nominalConcurrencyShares: number } };
  readonly status: { readonly conditions?: readonly { readonly reason: string }[] };
  readonly paths: readonly string[];
}

class Bench {
  running!: RunningApiServer;
  server!: Server;
  #count = 0;

  async start(limits: RequestLimits): Promise<void> {
    this.running = await startApiServer({ requestLimits: limits });
    this.server = await connect(this.running.kubeconfig);
    await this.post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'people' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'Group', name: 'people', apiGroup: 'rbac.authorization.k8s.io' }],
    });
  }

  async stop(): Promise<void> {
    this.server.agent.destroy();
    await this.running.stop();
  }

  get(path: string, as?: string): Promise<Answer & { body: Shown }> {
    return send(this.server, { method: 'GET', path, ...(as ? { as, groups: ['people'] } : {}) }) as Promise<
      Answer & { body: Shown }
    >;
  }

  async text(path: string): Promise<string> {
    return String((await this.get(path)).body as unknown);
  }

  async post(path: string, body: object): Promise<void> {
    const { code, body: said } = await send(this.server, { method: 'POST', path, body });
    if (code !== 201) throw new Error(JSON.stringify(said));
  }

  patch(path: string, body: object): Promise<Answer> {
    return send(this.server, { method: 'PATCH', path, body, type: 'application/merge-patch+json' });
  }

  held(as: string): Held {
    const { url, agent } = this.server;
    const body = JSON.stringify({ metadata: { name: `held-${this.#count++}` } });
    const headers = {
      'impersonate-user': as,
      'impersonate-group': 'people',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const outgoing = request({ agent, host: url.hostname, port: url.port, method: 'POST', path: maps, headers });
    const answered = new Promise<Awaited<Held['answered']>>((resolve, reject) => {
      outgoing.on('error', reject);
      outgoing.on('response', response => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ code: response.statusCode!, headers: response.headers, text }));
      });
    });
    answered.catch(() => undefined);
    outgoing.write(body.slice(0, 5));
    return { answered, outgoing, finish: () => void outgoing.end(body.slice(5)) };
  }

  /** Waiting and executing requests of the level. */
  async counts(level: string): Promise<{ waiting: number; executing: number }> {
    const row = (await this.text(`${debug}/dump_priority_levels`)).split('\n').find(line => line.startsWith(`${level},`))!;
    const cells = row.split(',').map(cell => cell.trim());
    return { waiting: Number(cells[4]), executing: Number(cells[5]) };
  }

  async until(level: string, wanted: Partial<{ waiting: number; executing: number }>): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      const counted = await this.counts(level);
      if (Object.entries(wanted).every(([key, value]) => counted[key as 'waiting'] === value)) return;
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    throw new Error(`${level} never had ${JSON.stringify(wanted)}, but ${JSON.stringify(await this.counts(level))}`);
  }
}

describe('priority and fairness over HTTP', () => {
  const bench = new Bench();

  beforeAll(async () => {
    await bench.start({ readOnly: 5, mutating: 5, isFair: true });
    await bench.post(`${flow}/prioritylevelconfigurations`, {
      metadata: { name: 'narrow' },
      spec: {
        type: 'Limited',
        limited: {
          // Three seats: 10 * 100 / (245 + 100), rounded up.
          nominalConcurrencyShares: 100,
          borrowingLimitPercent: 0,
          limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 4, queueLengthLimit: 3 } },
        },
      },
    });
    const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] };
    await bench.post(`${flow}/flowschemas`, {
      metadata: { name: 'people' },
      spec: {
        priorityLevelConfiguration: { name: 'narrow' },
        matchingPrecedence: 50,
        distinguisherMethod: { type: 'ByUser' },
        rules: [{ subjects: [{ kind: 'Group', group: { name: 'people' } }], resourceRules: [everything] }],
      },
    });
    await shows(bench.server, `${flow}/flowschemas/people`, '"Found"');
  });

  afterAll(() => bench.stop());

  it('a flood of one user neither starves another nor is kept for ever', async () => {
    const flood = Array.from({ length: 20 }, () => bench.held('flooder'));
    // Three are served and twelve wait in the four queues of their flow; the rest is turned away, and told for how long.
    const refused = new Map<Held, Awaited<Held['answered']>>();
    for (const each of flood) void each.answered.then(answer => answer.code === 429 && refused.set(each, answer));
    await bench.until('narrow', { waiting: 12, executing: 3 });
    for (let tries = 0; refused.size < 5 && tries < 300; tries++) await bench.counts('narrow');
    expect(refused.size).toBe(5);
    for (const { code, headers, text } of refused.values()) {
      expect(code).toBe(429);
      expect(text).toBe('Too many requests, please try again later.\n');
      expect(headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
      expect(headers['x-kubernetes-pf-flowschema-uid']).toMatch(/^[0-9a-f-]{36}$/);
      expect(headers['x-kubernetes-pf-prioritylevel-uid']).toMatch(/^[0-9a-f-]{36}$/);
    }
    // Others are not held up at all at their levels, and the other user of this one not by all who came before.
    expect((await bench.get(maps)).code).toBe(200);
    const other = bench.get(maps, 'other');
    await bench.until('narrow', { waiting: 13 });
    const requests = await bench.text(`${debug}/dump_requests?includeRequestDetails=1`);
    expect(requests).toMatch(
      /^narrow, +people, +\d+, +0, +other, .* other, +list, +\/api\/v1\/namespaces\/default\/configmaps, +default,/m,
    );
    expect((await bench.text(`${debug}/dump_queues`)).match(/^narrow, +\d+, +3, /gm)).toHaveLength(4);
    let served = 0;
    let isServed = false;
    const done = other.then(answer => {
      isServed = true;
      return answer;
    });
    const held = flood.filter(each => !refused.has(each));
    for (const each of held) each.finish();
    for (const { answered } of held) {
      if ((await answered).code === 201 && !isServed) served++;
    }
    expect((await done).code).toBe(200);
    expect(served).toBeLessThan(12);
    await bench.until('narrow', { waiting: 0, executing: 0 });
  });

  it('who leaves is no longer waited for', async () => {
    const running = Array.from({ length: 3 }, () => bench.held('a'));
    await bench.until('narrow', { executing: 3 });
    const leaving = bench.held('a');
    await bench.until('narrow', { waiting: 1 });
    leaving.outgoing.destroy();
    await bench.until('narrow', { waiting: 0 });
    for (const each of running) each.outgoing.destroy();
    await bench.until('narrow', { executing: 0 });
  });

  it('who waits for too long is turned away', async () => {
    const running = Array.from({ length: 3 }, () => bench.held('a'));
    await bench.until('narrow', { executing: 3 });
    const late = await bench.get(`${maps}?timeout=400ms`, 'b');
    expect([late.code, late.body]).toEqual([429, 'Too many requests, please try again later.\n']);
    for (const each of running) each.finish();
    await Promise.all(running.map(({ answered }) => answered));
    const text = await bench.text('/metrics');
    const labels = 'flow_schema="people",priority_level="narrow"';
    expect(text).toMatch(
      new RegExp(`^apiserver_flowcontrol_rejected_requests_total\\{${labels},reason="time-out"\\} [12]$`, 'm'),
    );
    expect(text).toMatch(new RegExp(`^apiserver_flowcontrol_rejected_requests_total\\{${labels},reason="queue-full"\\} 5$`, 'm'));
    expect(text).toContain('apiserver_flowcontrol_nominal_limit_seats{priority_level="narrow"} 3\n');
    expect(text).toMatch(/^apiserver_flowcontrol_demand_seats_bucket\{priority_level="narrow",le="1"\} [1-9]\d*$/m);
  });

  it('watches take a seat until they are open, logs and the like none', async () => {
    const { url, agent } = bench.server;
    const headers = { 'impersonate-user': 'w', 'impersonate-group': 'people' };
    const open = (): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const path = `${maps}?watch=true&resourceVersion=0`;
        const outgoing = request({ agent, host: url.hostname, port: url.port, path, headers }, resolve);
        outgoing.on('error', reject);
        outgoing.end();
      });
    const watches = await Promise.all(Array.from({ length: 12 }, open));
    for (const watch of watches) {
      expect(watch.statusCode).toBe(200);
      expect(watch.headers['x-kubernetes-pf-flowschema-uid']).toMatch(/^[0-9a-f-]{36}$/);
    }
    await bench.until('narrow', { executing: 0, waiting: 0 });
    // Twelve watchers: a change keeps its seats for a while.
    expect(
      (
        await send(bench.server, {
          method: 'POST',
          path: maps,
          body: { metadata: { name: 'told' } },
          as: 'w',
          groups: ['people'],
        })
      ).code,
    ).toBe(201);
    const metrics = await bench.text('/metrics');
    const labels = 'flow_schema="people",priority_level="narrow"';
    expect(metrics).toContain(`apiserver_flowcontrol_request_execution_seconds_count{${labels},type="watch"} 12\n`);
    expect(metrics).toMatch(new RegExp(`^apiserver_flowcontrol_watch_count_samples_bucket\\{${labels},le="100"\\} [1-9]`, 'm'));
    const running = Array.from({ length: 3 }, () => bench.held('w'));
    await bench.until('narrow', { executing: 3 });
    const log = await bench.get('/api/v1/namespaces/default/pods/none/log', 'w');
    expect([log.code, log.headers?.['x-kubernetes-pf-flowschema-uid']]).toEqual([404, undefined]);
    for (const each of running) each.outgoing.destroy();
    for (const watch of watches) watch.destroy();
    await bench.until('narrow', { executing: 0 });
  });
});

describe('the objects of priority and fairness', () => {
  const bench = new Bench();
  const level = (name: string): string => `${flow}/prioritylevelconfigurations/${name}`;
  const schema = (name: string): string => `${flow}/flowschemas/${name}`;
  const auto = 'apf.kubernetes.io/autoupdate-spec';

  beforeAll(() => bench.start({ readOnly: 400, mutating: 200, isFair: true }));
  afterAll(() => bench.stop());

  it("are made again when they are deleted, and put right while they are the server's", async () => {
    for (const path of [level('system'), schema('exempt'), level('catch-all')]) {
      const { uid } = (await bench.get(path)).body.metadata;
      expect((await send(bench.server, { method: 'DELETE', path })).code).toBe(200);
      expect(await shows(bench.server, path, '"kind":"')).toBe(true);
      await shows(bench.server, path, '"spec"');
      expect((await bench.get(path)).body.metadata.uid).not.toBe(uid);
    }
    expect((await bench.patch(level('system'), { spec: { limited: { nominalConcurrencyShares: 7 } } })).code).toBe(200);
    expect(await shows(bench.server, level('system'), '"nominalConcurrencyShares":30')).toBe(true);
  });

  it('are left to the administrator who says so, and gone when nothing suggests them any more', async () => {
    const change = { metadata: { annotations: { [auto]: 'false' } }, spec: { limited: { nominalConcurrencyShares: 7 } } };
    expect((await bench.patch(level('workload-low'), change)).code).toBe(200);
    await bench.post(`${flow}/prioritylevelconfigurations`, {
      metadata: { name: 'of-another-version', annotations: { [auto]: 'true' } },
      spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } },
    });
    expect(await shows(bench.server, level('of-another-version'), '"NotFound"')).toBe(true);
    expect((await bench.get(level('workload-low'))).body.spec.limited.nominalConcurrencyShares).toBe(7);
    await shows(bench.server, '/metrics', 'nominal_limit_seats{priority_level=\\"workload-low\\"} 28\\n');
  });

  it('tell of a level that is not there, and are not used then', async () => {
    await bench.post(`${flow}/flowschemas`, {
      metadata: { name: 'early' },
      spec: {
        priorityLevelConfiguration: { name: 'late' },
        matchingPrecedence: 3,
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: 'x' } }],
            nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['/version'] }],
          },
        ],
      },
    });
    expect(await shows(bench.server, schema('early'), '"NotFound"')).toBe(true);
    const { uid } = (await bench.get(schema('early'))).body.metadata;
    const classified = async (): Promise<boolean> =>
      (await bench.get('/version', 'x')).headers?.['x-kubernetes-pf-flowschema-uid'] === uid;
    expect(await classified()).toBe(false);
    await bench.post(`${flow}/prioritylevelconfigurations`, {
      metadata: { name: 'late' },
      spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } },
    });
    expect(await shows(bench.server, schema('early'), '"Found"')).toBe(true);
    expect(await classified()).toBe(true);
    await bench.patch(`${schema('early')}/status`, { status: { conditions: null } });
    expect(await shows(bench.server, schema('early'), '"Found"')).toBe(true);
    // Somebody who writes something else each time is not answered each time.
    const wrong = { status: { conditions: [{ type: 'Dangling', status: 'Unknown', reason: 'Fight', message: 'm' }] } };
    for (let round = 0; round < 4; round++) {
      await bench.patch(`${schema('early')}/status`, wrong);
      if (round < 3) expect(await shows(bench.server, schema('early'), '"Found"')).toBe(true);
    }
    // It looks again because of this, and has looked at the conditions when it looks once more.
    for (let round = 0; round < 2; round++) {
      await send(bench.server, { method: 'DELETE', path: schema('probes') });
      await shows(bench.server, schema('probes'), '"Found"');
    }
    expect((await bench.get(schema('early'))).body.status.conditions?.[0]?.reason).toBe('Fight');
  });

  it('have their debugging tables beside them, which are not listed', async () => {
    const { paths } = (await bench.get('/')).body;
    expect(paths.filter(path => path.startsWith('/debug'))).toEqual([]);
    expect(paths).toContain('/apis/flowcontrol.apiserver.k8s.io/v1');
    const { code, headers } = await bench.get(`${debug}/dump_requests`);
    expect([code, headers?.['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
    const text = await bench.text(`${debug}/dump_requests`);
    expect(text.split('\n')[0]).toMatch(/^PriorityLevelName, FlowSchemaName, QueueIndex, .*StartTime$/);
    expect(text).toMatch(/^exempt, +exempt, +-1, +-1, +, /m);
  });
});

describe('without priority and fairness', () => {
  const bench = new Bench();
  beforeAll(() => bench.start({ readOnly: 2, mutating: 2, isFair: false }));
  afterAll(() => bench.stop());

  it('so many requests are served at a time, whoever sends them', async () => {
    const held = [bench.held('a'), bench.held('a')];
    for (let tries = 0; !(await bench.text('/metrics')).includes('request_kind="mutating"} 2\n'); tries++)
      if (tries > 200) throw new Error('two requests were never begun');
    const refused = await bench.held('b').answered;
    expect([refused.code, refused.headers['retry-after'], refused.text]).toEqual([
      429,
      '1',
      'Too many requests, please try again later.\n',
    ]);
    expect(refused.headers['x-kubernetes-pf-flowschema-uid']).toBeUndefined();
    expect((await bench.get(maps, 'b')).code).toBe(200);
    for (const each of held) each.finish();
    for (const { answered } of held) expect((await answered).code).toBe(201);
    const schema = (await bench.get(`${flow}/flowschemas/probes`)).body;
    expect(schema.status).toEqual({});
    expect((await bench.get(`${debug}/dump_queues`)).code).toBe(404);
    expect(await bench.text('/metrics')).not.toContain('apiserver_flowcontrol_');
  });
});
