import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import type { AuditEvent } from '../../core/api/generated/types.js';
import { errorText } from '../../core/base/errors.js';
import type { TestCluster } from '../../core/testing/index.js';
import { startCluster } from '../../core/testing/index.js';
import type { Server } from '../differential/replay.js';
import { connect } from '../differential/replay.js';

describe('the audit of a cluster', () => {
  let directory: string;
  let cluster: TestCluster;
  let server: Server;
  let log: string;

  const flags = (policy: string): string[] => {
    const file = join(directory, 'policy.yaml');
    writeFileSync(file, `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: ${policy}}]\n`);
    return ['--kube-apiserver-arg', `audit-policy-file=${file}`, '--kube-apiserver-arg', `audit-log-path=${log}`];
  };

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'audit-'));
    log = join(directory, 'audit.log');
    cluster = await startCluster({ arguments: flags('RequestResponse') });
    server = await connect(cluster.kubeconfigFile);
  });
  afterAll(async () => {
    server.agent.destroy();
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const events = (): AuditEvent[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as AuditEvent);

  async function eventually(holds: () => boolean): Promise<void> {
    for (let tries = 0; tries < 400 && !holds(); tries++) await new Promise(resolve => setTimeout(resolve, 50));
  }

  /** Resolves when the connection is over, or the upgrade refused. */
  function talk(path: string, id: string): Promise<void> {
    const { url, agent } = server;
    const { ca, cert, key } = agent.options;
    const socket = new WebSocket(`wss://${url.host}${path}`, { ca, cert, key, headers: { 'audit-id': id } } as object);
    return new Promise(resolve => {
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
    });
  }

  it('shows what its own parts do, by their users', async () => {
    const seen = (): Set<string | undefined> => new Set(events().map(({ user }) => user.username));
    const parts = ['system:apiserver', 'system:kube-scheduler'];
    const isNode = (name: string | undefined): boolean => name?.startsWith('system:node:') === true;
    await eventually(() => parts.every(name => seen().has(name)) && [...seen()].some(isNode));
    expect([...seen()]).toEqual(expect.arrayContaining(parts));
    expect([...seen()].some(isNode)).toBe(true);
  });

  it('tells when a connection has changed its protocol, and when it could not', async () => {
    const stages = (id: string): unknown[] =>
      events()
        .filter(({ auditID }) => auditID === id)
        .map(({ stage, responseStatus }) => [stage, responseStatus?.code]);
    await talk('/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1', 'watch');
    await eventually(() => stages('watch').length === 3);
    expect(stages('watch')).toEqual([
      ['RequestReceived', undefined],
      ['ResponseStarted', 101],
      ['ResponseComplete', 101],
    ]);
    await talk('/api/v1/namespaces/default/pods/none/exec?command=x', 'exec');
    await eventually(() => stages('exec').length === 3);
    expect(stages('exec')).toEqual([
      ['RequestReceived', undefined],
      ['ResponseStarted', 404],
      ['ResponseComplete', 404],
    ]);
  });

  it('keeps a cluster with a bad policy from starting', async () => {
    const failure: unknown = await startCluster({ arguments: flags('All') }).catch((error: unknown) => error);
    expect(errorText(failure)).toContain('loading audit policy file: rules[0].level: Unsupported value: "All"');
  });
});
