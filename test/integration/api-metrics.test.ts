import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '../differential/replay.js';
import type { Server } from '../differential/replay.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';

describe('metrics of the API server', () => {
  let running: RunningApiServer;
  let server: Server;

  beforeAll(async () => {
    running = await startApiServer();
    server = await connect(running.kubeconfig);
  });

  afterAll(async () => {
    server.agent.destroy();
    await running.stop();
  });

  function ask(path: string, headers: Record<string, string> = {}): Promise<{ code: number; type: string; text: string }> {
    const { url, agent } = server;
    return new Promise((resolve, reject) => {
      const outgoing = request({ agent, host: url.hostname, port: url.port, path, headers }, response => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ code: response.statusCode!, type: String(response.headers['content-type']), text }));
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  }

  const labels = (resource: string, scope: string, verb: string): string =>
    `component="apiserver",dry_run="",group="",resource="${resource}",scope="${scope}",subresource="",verb="${verb}",version="v1"`;

  it('count and time what was asked', async () => {
    for (let round = 0; round < 3; round++) await ask('/api/v1/namespaces/default/configmaps');
    await ask('/api/v1/namespaces/absent');
    await ask('/api/v1/pods?watch=1&timeoutSeconds=1&resourceVersion=0');
    const { code, type, text } = await ask('/metrics');
    expect({ code, type }).toEqual({ code: 200, type: 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores' });
    const lines = text.split('\n');
    const maps = labels('configmaps', 'namespace', 'LIST');
    expect(lines).toContain(`apiserver_request_total{code="200",${maps}} 3`);
    expect(lines).toContain(`apiserver_request_duration_seconds_count{${maps}} 3`);
    expect(lines).toContain(`apiserver_request_duration_seconds_bucket{${maps},le="+Inf"} 3`);
    expect(lines).toContain(`apiserver_request_total{code="404",${labels('namespaces', 'resource', 'GET')}} 1`);
    const watch = labels('pods', 'cluster', 'WATCH');
    expect(lines).toContain(`apiserver_request_total{code="200",${watch}} 1`);
    expect(text).not.toContain(`apiserver_request_duration_seconds_count{${watch}}`);
    // The request for the metrics themselves is the one that runs.
    expect(lines).toContain('apiserver_current_inflight_requests{request_kind="readOnly"} 1');
    expect(lines).toContain('apiserver_longrunning_requests{component="apiserver"} 0');
  });

  it('count what is stored, and what the process uses', async () => {
    const { text } = await ask('/metrics');
    expect(text).toMatch(/^apiserver_storage_objects\{resource="namespaces"\} [1-9]\d*$/m);
    expect(text).toMatch(/^apiserver_resource_objects\{group="apps",resource="deployments"\} 0$/m);
    expect(text).toMatch(/^process_resident_memory_bytes [1-9]\d+$/m);
    expect(text).toMatch(/^process_cpu_seconds_total \d/m);
    expect(text).toMatch(/^process_start_time_seconds \d{10}/m);
  });

  it('are well-formed: one type each, all lines of a name together', async () => {
    const { text } = await ask('/metrics');
    const names = text
      .split('\n')
      .filter(line => line && !line.startsWith('#'))
      .map(line => /^[a-z_]+/.exec(line)![0].replace(/_(bucket|sum|count)$/, ''));
    const runs = names.filter((name, index) => name !== names[index - 1]);
    expect(new Set(runs).size).toBe(runs.length);
    for (const name of runs) expect(text.split(`# TYPE ${name} `)).toHaveLength(2);
  });

  it('do not grow with names that clients make up', async () => {
    const size = async (): Promise<number> => (await ask('/metrics')).text.split('\n').length;
    await ask('/api/v1/nothing-0');
    await ask('/api/v1/namespaces/default/configmaps/x/nothing-0');
    const before = await size();
    for (let index = 1; index < 20; index++) {
      await ask(`/api/v1/nothing-${index}`);
      await ask(`/api/v1/namespaces/default/configmaps/x/nothing-${index}`);
    }
    expect(await size()).toBe(before);
  });

  it('are not for everybody', async () => {
    expect((await ask('/metrics', { 'impersonate-user': 'jane' })).code).toBe(403);
  });
});
