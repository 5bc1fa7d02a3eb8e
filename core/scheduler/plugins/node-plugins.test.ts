import { describe, expect, it } from '@jest/globals';
import { filterAll, mayHelp, scoreAll, cacheOf } from '../testing/plugin-run.js';
import { node, pod } from '../testing/objects.js';
import type { PodFields } from '../testing/objects.js';
import { ImageLocality } from './image-locality.js';
import { NodeName, NodeUnschedulable, TaintToleration } from './node-admission.js';
import { NodeAffinity } from './node-affinity.js';
import { NodePorts } from './node-ports.js';
import { NodeResourcesBalancedAllocation, NodeResourcesFit } from './node-resources.js';
import { SchedulingGates } from './scheduling-gates.js';

const megabyte = 1024 * 1024;

describe('NodeName', () => {
  it('takes the named node only', () => {
    const cache = cacheOf([node('a'), node('b')]);
    expect(filterAll(new NodeName(), cache, pod('p'))).toEqual({ a: 'yes', b: 'yes' });
    const named = filterAll(new NodeName(), cache, pod('p', { nodeName: 'a' }));
    expect(named).toEqual({ a: 'yes', b: "!node(s) didn't match the requested node name" });
  });
});

describe('NodeUnschedulable', () => {
  const plugin = new NodeUnschedulable();
  const cordoned = node('n', { unschedulable: true });
  it('keeps pods off cordoned nodes, but for those that tolerate it', () => {
    expect(filterAll(plugin, cacheOf([cordoned]), pod('p'))).toEqual({ n: '!node(s) were unschedulable' });
    const tolerations = [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }];
    expect(filterAll(plugin, cacheOf([cordoned]), pod('p', { tolerations }))).toEqual({ n: 'yes' });
  });
  it('waits for a node to be uncordoned', () => {
    expect(mayHelp(plugin, 0, pod('p'), cordoned, node('n'))).toBe(true);
    expect(mayHelp(plugin, 0, pod('p'), node('n'), node('n'))).toBe(false);
    expect(mayHelp(plugin, 0, pod('p'), undefined, cordoned)).toBe(false);
    expect(mayHelp(plugin, 0, pod('p'), undefined, node('n'))).toBe(true);
  });
});

describe('TaintToleration', () => {
  const plugin = new TaintToleration();
  const taint = (effect: string, key = 'k') => ({ key, value: 'v', effect });
  it('keeps pods off tainted nodes', () => {
    const cache = cacheOf([
      node('hard', { taints: [taint('NoSchedule')] }),
      node('running', { taints: [taint('NoExecute')] }),
      node('soft', { taints: [taint('PreferNoSchedule')] }),
    ]);
    const reason = '!node(s) had untolerated taint(s)';
    expect(filterAll(plugin, cache, pod('p'))).toEqual({ hard: reason, running: reason, soft: 'yes' });
    const tolerations = [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoSchedule' }];
    expect(filterAll(plugin, cache, pod('p', { tolerations }))).toEqual({ hard: 'yes', running: reason, soft: 'yes' });
  });
  it('prefers the node with fewer soft taints', () => {
    const two = [taint('PreferNoSchedule', 'a'), taint('PreferNoSchedule', 'b')];
    const cache = cacheOf([
      node('two', { taints: two }),
      node('one', { taints: [two[0]!] }),
      node('none', { taints: [taint('NoSchedule')] }),
    ]);
    expect(scoreAll(plugin, cache, pod('p'))).toEqual({ two: 0, one: 50, none: 100 });
    const tolerations = [{ key: 'a', operator: 'Exists' }];
    expect(scoreAll(plugin, cache, pod('p', { tolerations }))).toEqual({ two: 0, one: 100, none: 100 });
  });
  it('scores all the same without taints', () => {
    expect(scoreAll(plugin, cacheOf([node('a'), node('b')]), pod('p'))).toEqual({ a: 100, b: 100 });
  });
  it('waits for a taint to go that was in the way', () => {
    const tainted = node('n', { taints: [taint('NoSchedule')] });
    expect(mayHelp(plugin, 0, pod('p'), tainted, node('n'))).toBe(true);
    expect(mayHelp(plugin, 0, pod('p'), node('n'), node('n'))).toBe(false);
    expect(mayHelp(plugin, 1, pod('p'), pod('p'), pod('p'))).toBe(true);
    expect(mayHelp(plugin, 1, pod('p'), pod('q'), pod('q'))).toBe(false);
  });
});

describe('NodeAffinity', () => {
  const plugin = new NodeAffinity();
  const cache = cacheOf([node('a', { labels: { zone: 'x' } }), node('b', { labels: { zone: 'y' } }), node('c')]);
  const no = "!node(s) didn't match Pod's node affinity/selector";
  const required = (...nodeSelectorTerms: object[]): PodFields =>
    ({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } }) as PodFields;
  const names = (...values: string[]) => ({ matchFields: [{ key: 'metadata.name', operator: 'In', values }] });
  const inZone = (...values: string[]) => ({ matchExpressions: [{ key: 'zone', operator: 'In', values }] });

  it('wants the labels of the selector', () => {
    expect(filterAll(plugin, cache, pod('p', { nodeSelector: { zone: 'x' } }))).toEqual({ a: 'yes', b: no, c: no });
  });
  it('takes any of the terms', () => {
    expect(filterAll(plugin, cache, pod('p', required(inZone('x'), inZone('y'))))).toEqual({ a: 'yes', b: 'yes', c: no });
    expect(filterAll(plugin, cache, pod('p', required()))).toEqual({ a: no, b: no, c: no });
  });
  it('looks at named nodes only', () => {
    expect(filterAll(plugin, cache, pod('p', required(names('b'))))).toEqual({ b: 'yes' });
    expect(filterAll(plugin, cache, pod('p', required(names('b'), names('c'))))).toEqual({ b: 'yes', c: 'yes' });
    expect(Object.keys(filterAll(plugin, cache, pod('p', required(names('b'), inZone('x')))))).toEqual(['a', 'b', 'c']);
  });
  it('sees when the named nodes contradict each other', () => {
    const term = { matchFields: [...names('a').matchFields, ...names('b').matchFields] };
    expect(filterAll(plugin, cache, pod('p', required(term)))).toEqual({ '*': '!pod affinity terms conflict' });
  });
  it('adds up the preferences', () => {
    const preferredDuringSchedulingIgnoredDuringExecution = [
      { weight: 2, preference: inZone('x') },
      { weight: 1, preference: inZone('x', 'y') },
    ];
    const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution } };
    expect(scoreAll(plugin, cache, pod('p', { affinity }))).toEqual({ a: 100, b: 33, c: 0 });
    expect(scoreAll(plugin, cache, pod('p'))).toEqual({ a: 0, b: 0, c: 0 });
  });
  it('waits for a node that matches now and did not before', () => {
    const wanting = pod('p', { nodeSelector: { zone: 'x' } });
    const [a, b] = [node('a', { labels: { zone: 'x' } }), node('a')];
    expect(mayHelp(plugin, 0, wanting, b, a)).toBe(true);
    expect(mayHelp(plugin, 0, wanting, a, a)).toBe(false);
    expect(mayHelp(plugin, 0, wanting, undefined, b)).toBe(false);
  });
});

describe('NodePorts', () => {
  const plugin = new NodePorts();
  const withPort = (name: string, port: object, more: PodFields = {}) =>
    pod(name, { ...more, containers: [{ name: 'c', resources: {}, ports: [{ containerPort: 1, ...port }] }] });
  const no = "node(s) didn't have free ports for the requested pod ports";
  const cases: [string, object, object, boolean][] = [
    ['the same port', { hostPort: 80 }, { hostPort: 80 }, false],
    ['another port', { hostPort: 80 }, { hostPort: 81 }, true],
    ['another protocol', { hostPort: 80, protocol: 'UDP' }, { hostPort: 80 }, true],
    ['TCP is the protocol where none is said', { hostPort: 80, protocol: 'TCP' }, { hostPort: 80 }, false],
    ['another address', { hostPort: 80, hostIP: '10.0.0.1' }, { hostPort: 80, hostIP: '10.0.0.2' }, true],
    ['the same address', { hostPort: 80, hostIP: '10.0.0.1' }, { hostPort: 80, hostIP: '10.0.0.1' }, false],
    ['every address against one', { hostPort: 80, hostIP: '10.0.0.1' }, { hostPort: 80 }, false],
    ['one address against every', { hostPort: 80 }, { hostPort: 80, hostIP: '10.0.0.1' }, false],
    ['no host port', { hostPort: 80 }, {}, true],
    ['a port whose number ends alike', { hostPort: 8080 }, { hostPort: 80 }, true],
  ];
  it.each(cases)('%s', (_name, used, wanted, fits) => {
    const cache = cacheOf([node('n')], [withPort('old', used, { nodeName: 'n' })]);
    expect(filterAll(plugin, cache, withPort('new', wanted))).toEqual({ n: fits ? 'yes' : no });
  });
  it('frees the ports of pods that go', () => {
    const cache = cacheOf([node('n')], [withPort('old', { hostPort: 80 }, { nodeName: 'n' })]);
    cache.removePod('uid-old');
    expect(filterAll(plugin, cache, withPort('new', { hostPort: 80 }))).toEqual({ n: 'yes' });
  });
  it('counts sidecars, and init containers not', () => {
    const init = (restartPolicy?: string) =>
      pod('new', { initContainers: [{ name: 'i', resources: {}, restartPolicy, ports: [{ containerPort: 1, hostPort: 80 }] }] });
    const cache = cacheOf([node('n')], [withPort('old', { hostPort: 80 }, { nodeName: 'n' })]);
    expect(filterAll(plugin, cache, init('Always'))).toEqual({ n: no });
    expect(filterAll(plugin, cache, init())).toEqual({ n: 'yes' });
  });
  it('waits for a pod with the port to go', () => {
    const waiting = withPort('new', { hostPort: 80 });
    expect(mayHelp(plugin, 0, waiting, withPort('old', { hostPort: 80 }, { nodeName: 'n' }), undefined)).toBe(true);
    expect(mayHelp(plugin, 0, waiting, withPort('old', { hostPort: 81 }, { nodeName: 'n' }), undefined)).toBe(false);
    expect(mayHelp(plugin, 0, waiting, withPort('old', { hostPort: 80 }), undefined)).toBe(false);
  });
});

describe('NodeResourcesFit', () => {
  const plugin = new NodeResourcesFit();
  const small = node('n', { allocatable: { cpu: '2', memory: '2Gi', pods: '3', 'x.com/gpu': '1', 'hugepages-2Mi': '4Mi' } });
  const used = pod('used', {
    nodeName: 'n',
    requests: { cpu: '1', memory: '1Gi', 'ephemeral-storage': '6Gi', 'x.com/gpu': '1' },
  });
  const cases: [string, PodFields, string][] = [
    ['nothing asked for', {}, 'yes'],
    ['what is left', { requests: { cpu: '1', memory: '1Gi' } }, 'yes'],
    ['a little more CPU', { requests: { cpu: '1001m' } }, 'Insufficient cpu'],
    ['more CPU than the node has', { requests: { cpu: '3' } }, '!Insufficient cpu'],
    ['memory', { requests: { memory: '1025Mi' } }, 'Insufficient memory'],
    ['both', { requests: { cpu: '2', memory: '2Gi' } }, 'Insufficient cpu, Insufficient memory'],
    ['storage', { requests: { 'ephemeral-storage': '5Gi' } }, 'Insufficient ephemeral-storage'],
    ['an extended resource', { requests: { 'x.com/gpu': '1' } }, 'Insufficient x.com/gpu'],
    ['one the node has not', { requests: { 'x.com/fpga': '1' } }, '!Insufficient x.com/fpga'],
    ['none of one the node has not', { requests: { 'x.com/fpga': '0' } }, 'yes'],
    ['huge pages', { requests: { 'hugepages-2Mi': '4Mi' } }, 'yes'],
    ['overhead counts', { requests: { cpu: '1' }, overhead: { cpu: '1m' } }, 'Insufficient cpu'],
    [
      'init containers count',
      { requests: {}, initContainers: [{ name: 'i', resources: { requests: { cpu: '2' } } }] },
      'Insufficient cpu',
    ],
  ];
  it.each(cases)('%s', (_name, fields, expected) => {
    expect(filterAll(plugin, cacheOf([small], [used]), pod('p', fields))).toEqual({ n: expected });
  });
  it('counts pods', () => {
    const pods = [1, 2, 3].map(i => pod(`p${i}`, { nodeName: 'n' }));
    expect(filterAll(plugin, cacheOf([small], pods), pod('p'))).toEqual({ n: 'Too many pods' });
    expect(filterAll(plugin, cacheOf([small], pods), pod('p', { requests: { cpu: '3' } }))).toEqual({
      n: '!Too many pods, Insufficient cpu',
    });
  });
  it('counts what runs while a pod is made smaller', () => {
    const shrinking = pod('shrinking', {
      nodeName: 'n',
      requests: { cpu: '1' },
      status: { containerStatuses: [{ name: 'main', resources: { requests: { cpu: '2' } } }] as never },
    });
    expect(filterAll(plugin, cacheOf([small], [shrinking]), pod('p', { requests: { cpu: '1' } }))).toEqual({
      n: 'Insufficient cpu',
    });
  });
  it('prefers the emptier node, with guesses for those that ask for nothing', () => {
    const allocatable = { cpu: '4', memory: '10000Mi' };
    const nodes = [node('full', { allocatable }), node('half', { allocatable }), node('empty', { allocatable })];
    const pods = [
      pod('a', { nodeName: 'full', requests: { cpu: '3', memory: '5000Mi' } }),
      pod('b', { nodeName: 'half', requests: { cpu: '1', memory: '2500Mi' } }),
    ];
    const scores = scoreAll(plugin, cacheOf(nodes, pods), pod('p', { requests: { cpu: '1', memory: '2500Mi' } }));
    expect(scores).toEqual({ full: 12, half: 50, empty: 75 });
    // 100m and 200 MB are guessed: (97 + 98) / 2 and so on.
    expect(scoreAll(plugin, cacheOf([nodes[2]!]), pod('p'))).toEqual({ empty: 97 });
  });
  it('waits for room of the kind it lacks', () => {
    const big = node('n', { allocatable: { cpu: '8' } });
    const wanting = pod('p', { requests: { cpu: '4' } });
    expect(mayHelp(plugin, 1, wanting, small, big)).toBe(true);
    expect(mayHelp(plugin, 1, wanting, undefined, small)).toBe(false);
    expect(mayHelp(plugin, 1, wanting, big, node('n', { allocatable: { cpu: '8', memory: '16Gi' } }))).toBe(false);
    expect(mayHelp(plugin, 0, wanting, used, undefined)).toBe(true);
    expect(mayHelp(plugin, 0, wanting, pod('unplaced'), undefined)).toBe(false);
    const smaller = pod('used', { nodeName: 'n', requests: { cpu: '500m', memory: '1Gi' } });
    expect(mayHelp(plugin, 0, wanting, used, smaller)).toBe(true);
    expect(mayHelp(plugin, 0, pod('p', { requests: { memory: '1' } }), used, smaller)).toBe(false);
  });
});

describe('NodeResourcesBalancedAllocation', () => {
  it('prefers the node whose shares come closer together', () => {
    const allocatable = { cpu: '10', memory: '10000Mi' };
    const nodes = [node('even', { allocatable }), node('memory', { allocatable })];
    const pods = [pod('m', { nodeName: 'memory', requests: { memory: '4000Mi' } })];
    const plugin = new NodeResourcesBalancedAllocation();
    const wanting = pod('p', { requests: { cpu: '4' } });
    // even: 100 before, 80 after; memory: 80 before, 100 after.
    expect(scoreAll(plugin, cacheOf(nodes, pods), wanting)).toEqual({ even: 65, memory: 85 });
    expect(scoreAll(plugin, cacheOf(nodes, pods), pod('p'))).toEqual({ even: 0, memory: 0 });
  });
});

describe('ImageLocality', () => {
  const image = (name: string, megabytes: number) => ({ names: [name], sizeBytes: megabytes * megabyte });
  const using = (...images: string[]) => pod('p', { containers: images.map(i => ({ name: i, image: i, resources: {} })) });
  it('prefers nodes with big images that many nodes have', () => {
    const cache = cacheOf([
      node('both', { images: [image('big:latest', 1000), image('small:1', 100)] }),
      node('small', { images: [image('small:1', 100)] }),
      node('none'),
    ]);
    // 1000 * 1/3 + 100 * 2/3 = 400 of 23 to 2000; 67 of the same.
    expect(scoreAll(new ImageLocality(cache), cache, using('big', 'small:1'))).toEqual({ both: 19, small: 2, none: 0 });
  });
  it('takes what is after the last slash for the tag', () => {
    const cache = cacheOf([node('n', { images: [image('host:5000/x:latest', 1000)] })]);
    expect(scoreAll(new ImageLocality(cache), cache, using('host:5000/x'))).toEqual({ n: 100 });
  });
  it('forgets images that a node no longer has', () => {
    const cache = cacheOf([node('n', { images: [image('x:latest', 1000)] })]);
    cache.setNode(node('n'));
    expect(scoreAll(new ImageLocality(cache), cache, using('x'))).toEqual({ n: 0 });
  });
});

describe('SchedulingGates', () => {
  it('names the gates', () => {
    const status = new SchedulingGates().preEnqueue(pod('p', { schedulingGates: [{ name: 'a' }, { name: 'b' }] }));
    expect(status?.reasons).toEqual(['waiting for scheduling gates: [a b]']);
    expect(new SchedulingGates().preEnqueue(pod('p'))).toBeUndefined();
  });
});
