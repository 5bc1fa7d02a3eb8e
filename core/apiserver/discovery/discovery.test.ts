import { describe, expect, it } from '@jest/globals';
import type { ResourceData } from '../../api/schema-data.js';
import type { ExtensionServer } from '../aggregation/extension-server.js';
import { Discovery } from './discovery.js';
import type { DiscoveredResource } from './discovery.js';

const resource = (group: string, version: string, name: string): DiscoveredResource => ({
  group,
  data: { name, version, kind: name, singularName: name, namespaced: true, verbs: ['get'] } as unknown as ResourceData,
  verbs: ['get'],
  subresources: [],
});
const priorities: Readonly<Record<string, readonly [number, number]>> = {
  'apiregistration.k8s.io/v1': [20001, 0],
  'autoscaling/v1': [17500, 15],
  'autoscaling/v2': [17500, 30],
  'apps/v1': [17800, 15],
};
const priority = (group: string, version: string) => {
  const [ofGroup, ofVersion] = priorities[`${group}/${version}`] ?? [1000, 100];
  return { group: ofGroup, version: ofVersion };
};
const resources = [
  resource('zoo.example.com', 'v1', 'lions'),
  resource('autoscaling', 'v1', 'hpa'),
  resource('ant.example.com', 'v1alpha1', 'ants'),
  resource('autoscaling', 'v2', 'hpa'),
  resource('apps', 'v1', 'deployments'),
  resource('apiregistration.k8s.io', 'v1', 'apiservices'),
  resource('', 'v1', 'pods'),
];
const server = { group: 'apps', version: 'v2' } as ExtensionServer;

describe('discovery', () => {
  const names = (discovery: Discovery, aggregated: boolean): string[] => {
    const { items = [], groups = [] } = JSON.parse(discovery.document('/apis', aggregated, '')!.bytes.toString()) as {
      items?: { metadata: { name: string } }[];
      groups?: { name: string }[];
    };
    return [...items.map(({ metadata }) => metadata.name), ...groups.map(({ name }) => name)];
  };

  it('lists groups by priority, those of the same by their APIServices or by name', () => {
    const discovery = new Discovery({ resources, priority });
    const first = ['apiregistration.k8s.io', 'apps', 'autoscaling'];
    expect(names(discovery, false)).toEqual([...first, 'zoo.example.com', 'ant.example.com']);
    expect(names(discovery, true)).toEqual([...first, 'ant.example.com', 'zoo.example.com']);
    expect(JSON.parse(discovery.document('/apis/autoscaling', false, '')!.bytes.toString())).toMatchObject({
      versions: [{ version: 'v2' }, { version: 'v1' }],
      preferredVersion: { version: 'v2' },
    });
  });

  it('leaves out of the list of groups what shall not be listed, and nowhere else', () => {
    const isListed = (group: string, version: string) => group !== 'apps' && version !== 'v2';
    const discovery = new Discovery({ resources, priority, isListed });
    expect(names(discovery, false)).not.toContain('apps');
    expect(names(discovery, true)).toContain('apps');
    const versions = (group: string): unknown =>
      (
        JSON.parse(discovery.document(`/apis/${group}`, false, '')!.bytes.toString()) as { versions: { version: string }[] }
      ).versions.map(({ version }) => version);
    expect([versions('apps'), versions('autoscaling')]).toEqual([['v1'], ['v1']]);
  });

  it('knows who answers for a version: an extension server before this one', () => {
    const own = { group: 'zoo.example.com', version: 'v1' } as ExtensionServer;
    const discovery = new Discovery({
      resources,
      priority,
      extensions: [
        { server, isCurrent: false, resources: [] },
        { server: own, isCurrent: true, resources: [{ resource: 'bears' }] },
      ],
    });
    expect(discovery.owner('apps', 'v1')).toBe('local');
    expect(discovery.owner('apps', 'v2')).toBe(server);
    expect(discovery.owner('zoo.example.com', 'v1')).toBe(own);
    expect(discovery.owner('apps', 'v3')).toBeUndefined();
    expect(discovery.isBuiltIn('apps')).toBe(true);
    expect(discovery.document('/apis/apps/v2', false, '')).toBeUndefined();
    const { items } = JSON.parse(discovery.document('/apis', true, '')!.bytes.toString()) as { items: { metadata: object }[] };
    expect(items.find(({ metadata }) => 'name' in metadata && metadata.name === 'apps')).toMatchObject({
      versions: [
        { version: 'v2', freshness: 'Stale' },
        { version: 'v1', freshness: 'Current' },
      ],
    });
    expect(items.at(-1)).toMatchObject({ versions: [{ freshness: 'Current', resources: [{ resource: 'bears' }] }] });
  });
});
