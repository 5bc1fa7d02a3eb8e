import { describe, expect, it } from '@jest/globals';
import type { Pod, PodAffinityTerm, TopologySpreadConstraint } from '../../api/generated/types.js';
import { LabelMatcher } from '../label-matcher.js';
import { Framework } from '../framework.js';
import { PodInfo } from '../pod-info.js';
import { Nominator } from '../queue/nominator.js';
import { AttemptState } from '../status.js';
import { cacheOf, filterAll, mayHelp, scoreAll } from '../testing/plugin-run.js';
import { node, pod } from '../testing/objects.js';
import type { PodFields } from '../testing/objects.js';
import { InterPodAffinity } from './inter-pod-affinity.js';
import type { NamespaceLabels } from './inter-pod-affinity.js';
import { PodTopologySpread } from './pod-topology-spread.js';

const zoneKey = 'topology.kubernetes.io/zone';
const web = { app: 'web' };
const selector = { matchLabels: web };
const inZone = (name: string, zone: string, more: object = {}) => node(name, { labels: { [zoneKey]: zone }, ...more });
const nodes = [inZone('a1', 'a'), inZone('a2', 'a'), inZone('b1', 'b'), node('nowhere')];
const on = (nodeName: string, count: number, fields: PodFields = {}): Pod[] =>
  Array.from({ length: count }, (_, i) => pod(`${nodeName}-${i}`, { nodeName, labels: web, ...fields }));

describe('PodTopologySpread', () => {
  const noDefaults = { of: () => undefined };
  const spread = (fields: Partial<TopologySpreadConstraint> = {}, more: PodFields = {}): Pod =>
    pod('new', {
      labels: web,
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: zoneKey, whenUnsatisfiable: 'DoNotSchedule', labelSelector: selector, ...fields },
      ],
      ...more,
    });
  const no = "node(s) didn't match pod topology spread constraints";
  const noLabel = `!${no} (missing required label)`;
  const filter = (incoming: Pod, pods: readonly Pod[], list = nodes): Record<string, string> => {
    const cache = cacheOf(list, pods);
    return filterAll(new PodTopologySpread(cache, noDefaults), cache, incoming);
  };

  it('goes where there are fewer', () => {
    expect(filter(spread(), on('a1', 1))).toEqual({ a1: no, a2: no, b1: 'yes', nowhere: noLabel });
    expect(filter(spread(), [...on('a1', 1), ...on('b1', 1)])).toEqual({ a1: 'yes', a2: 'yes', b1: 'yes', nowhere: noLabel });
    expect(filter(spread({ maxSkew: 2 }), on('a1', 1))).toMatchObject({ a1: 'yes', b1: 'yes' });
  });
  it('does not count itself where it does not match', () => {
    expect(filter(spread({}, { labels: { app: 'other' } }), on('a1', 1))).toMatchObject({ a1: 'yes' });
    expect(filter(spread({}, { labels: { app: 'other' } }), on('a1', 2))).toMatchObject({ a1: no });
  });
  it('leaves out other namespaces and pods on their way out', () => {
    expect(filter(spread(), on('a1', 2, { namespace: 'other' }))).toMatchObject({ a1: 'yes' });
    expect(filter(spread(), on('a1', 2, { meta: { deletionTimestamp: '2026-01-01T00:00:00Z' } }))).toMatchObject({ a1: 'yes' });
  });
  it('wants a number of domains before it fills the ones there are', () => {
    const both = [...on('a1', 1), ...on('b1', 1)];
    expect(filter(spread({ minDomains: 2 }), both)).toMatchObject({ a1: 'yes', b1: 'yes' });
    expect(filter(spread({ minDomains: 3 }), both)).toMatchObject({ a1: no, b1: no });
  });
  it('counts nodes that the pod may use, unless told otherwise', () => {
    const list = [inZone('a1', 'a', { labels: { [zoneKey]: 'a', disk: 'ssd' } }), inZone('b1', 'b')];
    const ssd = { nodeSelector: { disk: 'ssd' } };
    expect(filter(spread({}, ssd), on('a1', 3), list)).toMatchObject({ a1: 'yes' });
    expect(filter(spread({ nodeAffinityPolicy: 'Ignore' }, ssd), on('a1', 3), list)).toMatchObject({ a1: no });
  });
  it('counts tainted nodes, unless told otherwise', () => {
    const list = [inZone('a1', 'a'), inZone('b1', 'b', { taints: [{ key: 'k', effect: 'NoSchedule' }] })];
    expect(filter(spread(), on('a1', 1), list)).toMatchObject({ a1: no });
    expect(filter(spread({ nodeTaintsPolicy: 'Honor' }), on('a1', 1), list)).toMatchObject({ a1: 'yes' });
  });
  it('tells revisions apart by matchLabelKeys', () => {
    const old = on('a1', 2, { labels: { ...web, rev: '1' } });
    expect(filter(spread({ matchLabelKeys: ['rev'] }, { labels: { ...web, rev: '2' } }), old)).toMatchObject({ a1: 'yes' });
    expect(filter(spread({ matchLabelKeys: ['rev'] }, { labels: { ...web, rev: '1' } }), old)).toMatchObject({ a1: no });
  });
  it('wants all constraints', () => {
    const both = spread();
    both.spec.topologySpreadConstraints!.push({
      ...both.spec.topologySpreadConstraints![0]!,
      topologyKey: 'kubernetes.io/hostname',
    });
    expect(filter(both, [...on('a1', 1), ...on('b1', 1)])).toEqual({ a1: no, a2: 'yes', b1: no, nowhere: noLabel });
  });
  it('has nothing to say without constraints of its own', () => {
    expect(filter(pod('new', { labels: web }), on('a1', 5))).toEqual({ a1: 'yes', a2: 'yes', b1: 'yes', nowhere: 'yes' });
  });
  it('keeps count when preemption takes pods away and puts them back', () => {
    const cache = cacheOf(nodes, on('a1', 1));
    const framework = new Framework([new PodTopologySpread(cache, noDefaults)], new Nominator());
    const state = new AttemptState();
    const info = new PodInfo({ object: spread() });
    framework.preFilter(state, info, cache.nodes);
    const copy = state.clone();
    const [a1] = cache.nodes.filter(({ name }) => name === 'a1');
    const [existing] = [...a1!.pods];
    framework.removePod(copy, info, existing!, a1!);
    expect(framework.filter(copy, info, a1!)).toBeUndefined();
    expect(framework.filter(state, info, a1!)?.reasons).toEqual([no]);
    framework.addPod(copy, info, existing!, a1!);
    expect(framework.filter(copy, info, a1!)?.reasons).toEqual([no]);
  });

  describe('scores', () => {
    const soft = (topologyKey = zoneKey, maxSkew = 1): Pod =>
      pod('new', {
        labels: web,
        topologySpreadConstraints: [{ maxSkew, topologyKey, whenUnsatisfiable: 'ScheduleAnyway', labelSelector: selector }],
      });
    const score = (incoming: Pod, pods: readonly Pod[], of: (pod: Pod) => LabelMatcher | undefined = () => undefined) => {
      const cache = cacheOf(nodes, pods);
      return scoreAll(new PodTopologySpread(cache, { of }), cache, incoming);
    };
    it('prefers the emptier zone and nodes that have one', () => {
      expect(score(soft(), [...on('a1', 2), ...on('b1', 1)])).toEqual({ a1: 33, a2: 33, b1: 100, nowhere: 0 });
    });
    it('prefers the emptier host', () => {
      expect(score(soft('kubernetes.io/hostname'), on('a1', 2))).toEqual({ a1: 0, a2: 100, b1: 100, nowhere: 100 });
    });
    it('spreads siblings by default, also over nodes without a zone', () => {
      const scores = score(pod('new', { labels: web }), on('a1', 3), () => LabelMatcher.ofLabels(web));
      expect(scores['a1']).toBeLessThan(scores['a2']!);
      expect(scores['a2']).toBeLessThan(scores['b1']!);
      expect(scores['nowhere']).toBeGreaterThan(scores['a1']!);
    });
    it('has nothing to say about a pod without siblings', () => {
      expect(score(pod('new', { labels: web }), on('a1', 3))).toEqual({ a1: 0, a2: 0, b1: 0, nowhere: 0 });
    });
  });

  it('waits for pods and nodes that matter', () => {
    const plugin = new PodTopologySpread(cacheOf(nodes), noDefaults);
    const [match] = on('a1', 1);
    const other = pod('other', { nodeName: 'a1', labels: { app: 'other' } });
    expect(mayHelp(plugin, 0, spread(), match, undefined)).toBe(true);
    expect(mayHelp(plugin, 0, spread(), other, undefined)).toBe(false);
    expect(mayHelp(plugin, 0, spread(), { ...match!, metadata: { ...match!.metadata, namespace: 'x' } }, undefined)).toBe(false);
    expect(mayHelp(plugin, 0, spread(), other, { ...other, metadata: { ...other.metadata, labels: web } })).toBe(true);
    expect(mayHelp(plugin, 1, spread(), undefined, inZone('c1', 'c'))).toBe(true);
    expect(mayHelp(plugin, 1, spread(), undefined, node('x'))).toBe(false);
    expect(mayHelp(plugin, 1, spread(), inZone('a1', 'a'), inZone('a1', 'c'))).toBe(true);
    expect(mayHelp(plugin, 1, spread(), inZone('a1', 'a'), inZone('a1', 'a'))).toBe(false);
  });
});

describe('InterPodAffinity', () => {
  const namespaces: Record<string, Record<string, string>> = { default: {}, red: { color: 'red' }, blue: { color: 'blue' } };
  const namespaceLabels: NamespaceLabels = {
    of: name => namespaces[name],
    matching: matcher => Object.keys(namespaces).filter(name => matcher.matches(namespaces[name])),
  };
  const term = (fields: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({
    topologyKey: zoneKey,
    labelSelector: selector,
    ...fields,
  });
  const near = (...terms: PodAffinityTerm[]): PodFields => ({
    affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
  });
  const away = (...terms: PodAffinityTerm[]): PodFields => ({
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
  });
  const filter = (incoming: Pod, pods: readonly Pod[]): Record<string, string> => {
    const cache = cacheOf(nodes, pods);
    return filterAll(new InterPodAffinity(cache, namespaceLabels), cache, incoming);
  };
  const notNear = "!node(s) didn't match pod affinity rules";
  const notAway = "node(s) didn't match pod anti-affinity rules";
  const unwanted = "node(s) didn't satisfy existing pods anti-affinity rules";

  it('goes near the pods it wants', () => {
    expect(filter(pod('p', near(term())), on('a1', 1))).toEqual({ a1: 'yes', a2: 'yes', b1: notNear, nowhere: notNear });
  });
  it('lets the first of a group go anywhere that has the key', () => {
    expect(filter(pod('p', { labels: web, ...near(term()) }), [])).toEqual({ a1: 'yes', a2: 'yes', b1: 'yes', nowhere: notNear });
    expect(filter(pod('p', near(term())), [])).toMatchObject({ a1: notNear });
  });
  it('wants one pod that matches all terms', () => {
    const db = { labelSelector: { matchLabels: { app: 'db' } } };
    expect(filter(pod('p', near(term(), term(db))), [...on('a1', 1), ...on('b1', 1, { labels: { app: 'db' } })])).toMatchObject({
      a1: notNear,
      b1: notNear,
    });
    const both = { ...term(), labelSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] } };
    expect(filter(pod('p', near(term(), both)), on('a1', 1))).toMatchObject({ a1: 'yes', b1: notNear });
  });
  it('stays away from the pods it does not want', () => {
    expect(filter(pod('p', away(term())), on('a1', 1))).toEqual({ a1: notAway, a2: notAway, b1: 'yes', nowhere: 'yes' });
    expect(filter(pod('p', away(term({ topologyKey: 'kubernetes.io/hostname' }))), on('a1', 1))).toEqual({
      a1: notAway,
      a2: 'yes',
      b1: 'yes',
      nowhere: 'yes',
    });
  });
  it('stays away from pods that do not want it', () => {
    const hostile = pod('hostile', { nodeName: 'a1', ...away(term()) });
    expect(filter(pod('p', { labels: web }), [hostile])).toEqual({ a1: unwanted, a2: unwanted, b1: 'yes', nowhere: 'yes' });
    expect(filter(pod('p'), [hostile])).toMatchObject({ a1: 'yes' });
    expect(filter(pod('p', { labels: web, namespace: 'red' }), [hostile])).toMatchObject({ a1: 'yes' });
  });
  it('looks into the namespaces named or chosen by label', () => {
    const red = on('a1', 1, { namespace: 'red' });
    expect(filter(pod('p', away(term())), red)).toMatchObject({ a1: 'yes' });
    expect(filter(pod('p', away(term({ namespaces: ['red'] }))), red)).toMatchObject({ a1: notAway });
    expect(filter(pod('p', away(term({ namespaceSelector: { matchLabels: { color: 'red' } } }))), red)).toMatchObject({
      a1: notAway,
    });
    expect(filter(pod('p', away(term({ namespaceSelector: { matchLabels: { color: 'blue' } } }))), red)).toMatchObject({
      a1: 'yes',
    });
    expect(filter(pod('p', away(term({ namespaceSelector: {} }))), red)).toMatchObject({ a1: notAway });
    expect(
      filter(pod('p', away(term({ namespaces: ['blue'], namespaceSelector: { matchLabels: { color: 'red' } } }))), red),
    ).toMatchObject({ a1: notAway });
  });
  it('is unwanted by pods that choose its namespace by label', () => {
    const hostile = pod('hostile', { nodeName: 'a1', ...away(term({ namespaceSelector: { matchLabels: { color: 'red' } } })) });
    expect(filter(pod('p', { labels: web, namespace: 'red' }), [hostile])).toMatchObject({ a1: unwanted });
    expect(filter(pod('p', { labels: web, namespace: 'blue' }), [hostile])).toMatchObject({ a1: 'yes' });
  });
  it('takes a selector that is not valid for a reason to go nowhere', () => {
    const bad = term({ labelSelector: { matchExpressions: [{ key: 'a', operator: 'Like', values: ['b'] }] } });
    expect(filter(pod('p', away(bad)), [])['*']).toMatch(/^!parsing pod: /);
  });
  it('keeps count when preemption takes pods away', () => {
    const cache = cacheOf(nodes, on('a1', 1));
    const framework = new Framework([new InterPodAffinity(cache, namespaceLabels)], new Nominator());
    const state = new AttemptState();
    const info = new PodInfo({ object: pod('p', away(term())) });
    framework.preFilter(state, info, cache.nodes);
    const copy = state.clone();
    const a1 = cache.node('a1')!;
    framework.removePod(copy, info, [...a1.pods][0]!, a1);
    expect(framework.filter(copy, info, cache.node('a2')!)).toBeUndefined();
    expect(framework.filter(state, info, cache.node('a2')!)?.reasons).toEqual([notAway]);
  });

  describe('scores', () => {
    const score = (incoming: Pod, pods: readonly Pod[]) => {
      const cache = cacheOf(nodes, pods);
      return scoreAll(new InterPodAffinity(cache, namespaceLabels), cache, incoming);
    };
    const preferred = (kind: 'podAffinity' | 'podAntiAffinity', weight: number): PodFields => ({
      affinity: { [kind]: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm: term() }] } },
    });
    it('prefers to be near, by weight and number', () => {
      expect(score(pod('p', preferred('podAffinity', 5)), [...on('a1', 2), ...on('b1', 1)])).toEqual({
        a1: 100,
        a2: 100,
        b1: 50,
        nowhere: 0,
      });
    });
    it('prefers to be away', () => {
      expect(score(pod('p', preferred('podAntiAffinity', 5)), on('a1', 1))).toEqual({ a1: 0, a2: 0, b1: 100, nowhere: 100 });
    });
    it('minds what the others prefer', () => {
      const friend = pod('friend', { nodeName: 'b1', ...preferred('podAffinity', 5) });
      expect(score(pod('p', { labels: web }), [friend])).toEqual({ a1: 0, a2: 0, b1: 100, nowhere: 0 });
      const foe = pod('foe', { nodeName: 'b1', ...preferred('podAntiAffinity', 5) });
      expect(score(pod('p', { labels: web }), [foe])).toEqual({ a1: 100, a2: 100, b1: 0, nowhere: 100 });
    });
    it('goes to those that require its like', () => {
      expect(score(pod('p', { labels: web }), [pod('needy', { nodeName: 'b1', ...near(term()) })])).toMatchObject({
        b1: 100,
        a1: 0,
      });
    });
  });

  it('waits for pods and nodes that matter', () => {
    const plugin = new InterPodAffinity(cacheOf(nodes), namespaceLabels);
    const wantsNear = pod('p', near(term()));
    const wantsAway = pod('p', away(term()));
    const [match] = on('a1', 1);
    expect(mayHelp(plugin, 0, wantsNear, undefined, match)).toBe(true);
    expect(mayHelp(plugin, 0, wantsAway, undefined, match)).toBe(false);
    expect(mayHelp(plugin, 0, wantsAway, match, undefined)).toBe(true);
    expect(mayHelp(plugin, 0, wantsNear, match, undefined)).toBe(false);
    expect(mayHelp(plugin, 0, pod('p', { labels: web }), pod('hostile', { nodeName: 'a1', ...away(term()) }), undefined)).toBe(
      true,
    );
    expect(mayHelp(plugin, 1, wantsNear, node('x'), inZone('x', 'a'))).toBe(true);
    expect(mayHelp(plugin, 1, wantsAway, inZone('x', 'a'), inZone('x', 'b'))).toBe(true);
    expect(mayHelp(plugin, 1, wantsAway, inZone('x', 'a'), inZone('x', 'a'))).toBe(false);
  });
});
