import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { flags, k3sFlags } from '../../config/index.js';
import type { FlagDefinition } from '../../config/index.js';
import { flagReference } from './flag-reference.js';
import { discardCluster, prepareCluster } from './index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const table: Readonly<Record<string, FlagDefinition>> = flags;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'flags-'));
  await writeFile(join(dir, 'file'), 'content');
});
afterAll(() => rm(dir, { recursive: true }));

/** A value that is right and not the default. */
function sample(name: string, { kind, format, default: default_ }: FlagDefinition): string {
  const special: Readonly<Record<string, string>> = {
    'data-dir': join(dir, 'data'),
    'datastore-endpoint': 'sqlite://',
    'kube-apiserver-arg': 'default-not-ready-toleration-seconds=7',
    'kube-controller-manager-arg': 'terminated-pod-gc-threshold=7',
    'kube-proxy-arg': 'nodeport-addresses=primary',
    'kube-scheduler-arg': 'v=2',
    'kubelet-arg': 'max-pods=7',
    'pause-image': 'example.com/pause:1',
    'resolv-conf': join(dir, 'file'),
    snapshotter: 'native',
    config: join(dir, 'file.yaml'),
  };
  if (Object.hasOwn(special, name)) return special[name]!;
  if (name.endsWith('token-file')) return join(dir, 'file');
  if (kind === 'boolean') return String(default_ !== true);
  if (kind === 'number') return '7';
  if (Array.isArray(format)) return (format as string[]).find(value => value !== default_ && value !== 'none')!;
  const byFormat: Readonly<Record<string, string>> = {
    address: '192.0.2.1',
    addresses: '192.0.2.1',
    ranges: '192.0.2.0/24',
    portRange: '31000-31999',
    fileMode: '0640',
    url: 'https://server:6443',
    nodeName: 'some-node',
    domain: 'example.com',
  };
  return byFormat[String(format)] ?? 'traefik';
}

async function outcome(name: string, on: string): Promise<{ errors: string[]; warnings: string[] }> {
  await writeFile(join(dir, 'file.yaml'), '');
  const line = [...(name === 'config' ? [] : [`--config=${join(dir, 'file.yaml')}`]), `--${name}=${sample(name, table[name]!)}`];
  try {
    const command = on === 'agent' ? 'agent' : 'server';
    const prepared = await prepareCluster({ command, arguments: line, environment: {}, isRoot: true });
    await discardCluster(prepared);
    return { errors: [], warnings: [...prepared.warnings] };
  } catch (error) {
    const errors = error instanceof AggregateError ? (error.errors as Error[]) : [error as Error];
    return { errors: errors.map(({ message }) => message), warnings: [] };
  }
}

describe('a flag of K3s', () => {
  it.each(k3sFlags.map(([name, on, , , state]) => [state, name, on] as const))('%s: --%s', async (state, name, on) => {
    const { errors, warnings } = await outcome(name, on);
    const own = warnings.filter(text => text.startsWith(`--${name} has no effect: `));
    if (state === 'refused') {
      expect(errors).toEqual([expect.stringMatching(new RegExp(`^--${name}[ :][^\\n]+$`))]);
    } else {
      expect(errors).toEqual([]);
      expect(own).toHaveLength(state === 'no-effect' ? 1 : 0);
    }
  });
});

describe('what is generated of the flags', () => {
  it.each([
    ['docs/flags.md', flagReference().markdown],
    ['config/k3s-config.schema.json', flagReference().schemaJson],
  ])('%s is up to date (node scripts/flags.mjs)', async (file, text) => {
    expect(await readFile(join(root, file), 'utf8')).toBe(text);
  });

  it('names every flag with a reason where it does not work', () => {
    const { markdown, schemaJson } = flagReference();
    for (const [name, , , , state] of k3sFlags) {
      const line = markdown.split('\n').find(text => text.startsWith(`| \`${name.length === 1 ? '-' : '--'}${name}\``)) ?? '';
      expect([name, line]).toEqual([name, expect.stringContaining(state === 'works' ? '| works |' : '**')]);
    }
    const { properties } = JSON.parse(schemaJson) as { properties: Record<string, object> };
    expect(properties['https-listen-port']).toMatchObject({ type: 'integer', maximum: 65_535, default: 6443 });
    expect(Object.keys(properties)).toEqual(expect.arrayContaining(['disable+', 'containerd-binaries', 'plugin-options']));
  });
});
