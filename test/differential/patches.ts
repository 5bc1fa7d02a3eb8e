/** One patch of a stored object. */
export interface Patch {
  readonly name: string;
  readonly type: string;
  readonly patch: unknown;
  readonly force?: boolean;
}

const json = 'application/json-patch+json';
const merge = 'application/merge-patch+json';
const strategic = 'application/strategic-merge-patch+json';
const apply = 'application/apply-patch+yaml';

type Json = Record<string, unknown>;

/** Patches of each kind that touch metadata and every field at the top of the object and of its spec. */
export function* patchesOf(stored: Json): Generator<Patch> {
  const { apiVersion, kind } = stored;
  const { name } = stored['metadata'] as { name: string };
  const identity = { apiVersion, kind };
  for (const metadata of [
    { labels: { a: 'b' } },
    { labels: null },
    { annotations: { 'a b': 'c' } },
    { finalizers: ['example.com/x'] },
  ]) {
    const shown = JSON.stringify(metadata);
    yield { name: `merge patch of metadata ${shown}`, type: merge, patch: { metadata } };
    yield { name: `strategic patch of metadata ${shown}`, type: strategic, patch: { metadata } };
    yield { name: `apply of metadata ${shown}`, type: apply, patch: { ...identity, metadata: { name, ...metadata } } };
  }
  yield { name: 'patch with an unknown field', type: merge, patch: { noSuchField: 1 } };
  yield { name: 'strategic patch with an unknown field', type: strategic, patch: { noSuchField: 1 } };
  yield { name: 'apply with an unknown field', type: apply, patch: { ...identity, metadata: { name }, noSuchField: 1 } };
  yield { name: 'apply of another kind', type: apply, patch: { ...identity, kind: 'Other', metadata: { name } } };
  yield { name: 'patch that is a list', type: merge, patch: [] };
  yield { name: 'strategic patch that is a list', type: strategic, patch: [] };
  yield { name: 'json patch that is an object', type: json, patch: {} };
  yield { name: 'json patch that tests', type: json, patch: [{ op: 'test', path: '/metadata/name', value: 'other' }] };
  yield { name: 'json patch of nothing', type: json, patch: [{ op: 'remove', path: '/metadata/labels/none' }] };
  yield { name: 'json patch of the kind', type: json, patch: [{ op: 'replace', path: '/kind', value: 'Other' }] };
  yield { name: 'strategic patch by a directive', type: strategic, patch: { $patch: 'replace', metadata: { name } } };
  for (const path of places(stored)) yield* patchesAt(path, identity, stored);
}

function places(stored: Json): string[][] {
  const top = Object.keys(stored)
    .sort()
    .filter(key => !['apiVersion', 'kind', 'metadata', 'status'].includes(key));
  const { spec } = stored;
  const inSpec =
    typeof spec === 'object' && spec !== null
      ? Object.keys(spec)
          .sort()
          .map(key => ['spec', key])
      : [];
  return [...top.map(key => [key]), ...inSpec];
}

function* patchesAt(path: readonly string[], identity: object, stored: Json): Generator<Patch> {
  const at = path.join('.');
  const held = path.reduce<unknown>((value, key) => (value as Json)[key], stored);
  const nest = (value: unknown): object => path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object;
  const metadata = { name: (stored['metadata'] as { name: string }).name };
  yield { name: `json patch: remove ${at}`, type: json, patch: [{ op: 'remove', path: `/${path.join('/')}` }] };
  yield { name: `json patch: ${at} is "x"`, type: json, patch: [{ op: 'replace', path: `/${path.join('/')}`, value: 'x' }] };
  yield { name: `merge patch: no ${at}`, type: merge, patch: nest(null) };
  yield { name: `strategic patch: no ${at}`, type: strategic, patch: nest(null) };
  yield { name: `strategic patch: same ${at}`, type: strategic, patch: nest(held) };
  if (Array.isArray(held)) {
    yield { name: `strategic patch: ${at} has an empty item`, type: strategic, patch: nest([{}]) };
    yield {
      name: `strategic patch: ${at} is replaced`,
      type: strategic,
      patch: nest([{ $patch: 'replace' }, ...held.slice(0, 1)]),
    };
    yield { name: `merge patch: first of ${at}`, type: merge, patch: nest(held.slice(0, 1)) };
    yield { name: `json patch: ${at} is empty`, type: json, patch: [{ op: 'replace', path: `/${path.join('/')}`, value: [] }] };
    yield { name: `merge patch: ${at} is empty`, type: merge, patch: nest([]) };
    yield { name: `strategic patch: ${at} is empty`, type: strategic, patch: nest([]) };
    yield { name: `apply: ${at} is empty`, type: apply, patch: { ...identity, metadata, ...nest([]) }, force: true };
  } else if (typeof held === 'object' && held !== null) {
    yield { name: `strategic patch: ${at} is deleted`, type: strategic, patch: nest({ $patch: 'delete' }) };
  }
  if (typeof held === 'object' && held !== null && !Array.isArray(held)) {
    yield { name: `json patch: ${at} is empty`, type: json, patch: [{ op: 'replace', path: `/${path.join('/')}`, value: {} }] };
    yield { name: `apply: ${at} is empty`, type: apply, patch: { ...identity, metadata, ...nest({}) }, force: true };
  }
  const applied = { ...identity, metadata, ...nest(held) };
  yield { name: `apply: same ${at}`, type: apply, patch: applied };
  for (const force of [false, true]) {
    yield { name: `apply: other ${at}`, type: apply, patch: { ...identity, metadata, ...nest(other(held)) }, force };
  }
}

/** A value of the same form, but another one. */
function other(held: unknown): unknown {
  if (typeof held === 'string') return `${held}x`;
  if (typeof held === 'number') return held + 1;
  if (typeof held === 'boolean') return !held;
  if (Array.isArray(held)) return held.length > 0 ? [other(held[0]), ...held.slice(1)] : ['x'];
  if (typeof held !== 'object' || held === null) return 'x';
  const [first] = Object.entries(held).sort();
  return first ? { ...held, [first[0]]: other(first[1]) } : { x: 'y' };
}
