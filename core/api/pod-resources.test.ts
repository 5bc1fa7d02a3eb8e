import { describe, expect, it } from '@jest/globals';
import type { Container, Pod, PodSpec } from './generated/types.js';
import { podLimits, podQosClass, podRequests } from './pod-resources.js';
import type { PodResourceOptions, ResourceQuantities } from './pod-resources.js';

type Amounts = Record<string, string>;
const container = (requests?: Amounts, limits?: Amounts, more: Partial<Container> = {}): Container => ({
  name: 'c',
  resources: { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) },
  ...more,
});
const sidecar = (requests: Amounts, limits?: Amounts): Container => container(requests, limits, { restartPolicy: 'Always' });
const plain = (quantities: ResourceQuantities): Amounts =>
  Object.fromEntries([...quantities].map(([name, quantity]) => [name, quantity.toString()]));
const podOf = (spec: Partial<PodSpec>, status: object = {}): Pod =>
  ({ metadata: { name: 'p' }, spec: { containers: [], ...spec }, status }) as unknown as Pod;

describe('podRequests', () => {
  const cases: [string, Partial<PodSpec>, Amounts, PodResourceOptions?][] = [
    ['nothing', { containers: [container()] }, {}],
    [
      'containers add up',
      { containers: [container({ cpu: '1', memory: '1Gi' }), container({ cpu: '500m' })] },
      { cpu: '1500m', memory: '1Gi' },
    ],
    [
      'the biggest init container counts',
      {
        containers: [container({ cpu: '1' })],
        initContainers: [container({ cpu: '3' }), container({ cpu: '2', memory: '1Gi' })],
      },
      { cpu: '3', memory: '1Gi' },
    ],
    ['sidecars go on running', { containers: [container({ cpu: '1' })], initContainers: [sidecar({ cpu: '1' })] }, { cpu: '2' }],
    [
      'an init container runs beside the sidecars before it, not after it',
      {
        containers: [container({ cpu: '1' })],
        initContainers: [sidecar({ cpu: '2' }), container({ cpu: '3' }), sidecar({ cpu: '1' })],
      },
      { cpu: '5' },
    ],
    [
      'overhead comes on top',
      { containers: [container({ cpu: '1' })], overhead: { cpu: '250m', memory: '64Mi' } },
      { cpu: '1250m', memory: '64Mi' },
    ],
    [
      'without overhead',
      { containers: [container({ cpu: '1' })], overhead: { cpu: '250m' } },
      { cpu: '1' },
      { excludeOverhead: true },
    ],
    [
      'pod-level requests stand for the containers',
      { containers: [container({ cpu: '1', 'x/y': '1' })], resources: { requests: { cpu: '4', memory: '1Gi' } } },
      { cpu: '4', memory: '1Gi', 'x/y': '1' },
    ],
    [
      'pod-level overhead too',
      { containers: [container()], resources: { requests: { cpu: '4' } }, overhead: { cpu: '1' } },
      { cpu: '5' },
    ],
    ['pod-level extended resources do not count', { containers: [container()], resources: { requests: { 'x/y': '4' } } }, {}],
    [
      'pod-level skipped',
      { containers: [container({ cpu: '1' })], resources: { requests: { cpu: '4' } } },
      { cpu: '1' },
      { skipPodLevelResources: true },
    ],
  ];
  it.each(cases)('%s', (...[, spec, expected, options]) => expect(plain(podRequests(podOf(spec), options))).toEqual(expected));

  describe('during a resize', () => {
    const spec = { containers: [container({ cpu: '3' })] };
    const containerStatuses = [{ name: 'c', resources: { requests: { cpu: '2' } }, allocatedResources: { cpu: '1' } }];
    it('counts the most of wanted, running and granted', () => {
      expect(plain(podRequests(podOf(spec, { containerStatuses }), { useStatusResources: true }))).toEqual({ cpu: '3' });
    });
    it('does not count what cannot be granted', () => {
      const conditions = [{ type: 'PodResizePending', status: 'True', reason: 'Infeasible' }];
      expect(plain(podRequests(podOf(spec, { containerStatuses, conditions }), { useStatusResources: true }))).toEqual({
        cpu: '2',
      });
    });
    it('looks at the spec alone unless asked', () => {
      const down = { containers: [container({ cpu: '1' })] };
      expect(plain(podRequests(podOf(down, { containerStatuses })))).toEqual({ cpu: '1' });
    });
  });
});

describe('podLimits', () => {
  const cases: [string, Partial<PodSpec>, Amounts][] = [
    [
      'containers add up',
      { containers: [container({}, { cpu: '1' }), container({}, { cpu: '1', memory: '1Gi' })] },
      { cpu: '2', memory: '1Gi' },
    ],
    [
      'init containers and sidecars',
      { containers: [container({}, { cpu: '1' })], initContainers: [sidecar({}, { cpu: '1' }), container({}, { cpu: '4' })] },
      { cpu: '5' },
    ],
    [
      'overhead where there is a limit',
      { containers: [container({}, { cpu: '1' })], overhead: { cpu: '1', memory: '1Gi' } },
      { cpu: '2' },
    ],
    ['pod-level limits', { containers: [container({}, { cpu: '1' })], resources: { limits: { cpu: '4' } } }, { cpu: '4' }],
  ];
  it.each(cases)('%s', (_name, spec, expected) => expect(plain(podLimits(podOf(spec)))).toEqual(expected));
});

describe('podQosClass', () => {
  const full = { cpu: '1', memory: '1Gi' };
  const cases: [string, Partial<PodSpec>, string][] = [
    ['nothing', { containers: [container()] }, 'BestEffort'],
    ['zero is nothing', { containers: [container({ cpu: '0' })] }, 'BestEffort'],
    ['extended resources do not count', { containers: [container({ 'x/y': '1' }, { 'x/y': '1' })] }, 'BestEffort'],
    ['limits equal to requests', { containers: [container(full, full)] }, 'Guaranteed'],
    ['written differently', { containers: [container({ cpu: '1000m', memory: '1024Mi' }, full)] }, 'Guaranteed'],
    ['requests only', { containers: [container(full)] }, 'Burstable'],
    ['limits of one kind', { containers: [container({ cpu: '1' }, { cpu: '1' })] }, 'Burstable'],
    ['less asked for than allowed', { containers: [container({ cpu: '500m', memory: '1Gi' }, full)] }, 'Burstable'],
    ['one container without', { containers: [container(full, full), container()] }, 'Burstable'],
    ['an init container without', { containers: [container(full, full)], initContainers: [container()] }, 'Burstable'],
    ['pod-level, guaranteed', { containers: [container()], resources: { requests: full, limits: full } }, 'Guaranteed'],
    ['pod-level, requests only', { containers: [container(full, full)], resources: { requests: full } }, 'Burstable'],
  ];
  it.each(cases)('%s', (_name, spec, expected) => expect(podQosClass(podOf(spec).spec)).toBe(expected));
});
