import type { Container, EphemeralContainer, PodSpec } from '../../../api/generated/types.js';
import type { ObjectMeta } from '../../../machinery/object.js';

/** What a pod does that a level forbids. Texts are upstream's: people and the conformance suite read them. */
export interface Violation {
  readonly reason: string;
  readonly detail: string;
}

/** The metadata and spec of a pod or of a template. */
export type Check = (metadata: ObjectMeta, spec: PodSpec) => Violation | undefined;

/** A check and how it changed: the entry with the highest version that is not above the one asked for counts. */
export interface VersionedCheck {
  readonly id: string;
  /** By the minor version of Kubernetes that brought it, ascending. */
  readonly versions: readonly { readonly since: number; readonly check: Check }[];
  /** A check of the baseline that this one takes the place of. */
  readonly overrides?: string;
}

export type AnyContainer = Container | EphemeralContainer;

export function containersOf(spec: PodSpec): AnyContainer[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}

export function quoted(items: readonly string[]): string {
  return items.map(item => `"${item}"`).join(', ');
}

export function plural(one: string, many: string, count: number): string {
  return count === 1 ? one : many;
}

export function sorted(items: Iterable<string>): string[] {
  return [...new Set(items)].sort();
}

/** `container "a"`, `containers "a", "b"`. */
export function containerText(names: readonly string[]): string {
  return `${plural('container', 'containers', names.length)} ${quoted(names)}`;
}

/** The pod itself and the containers, as far as either is at fault. */
export function settersText(isPod: boolean, names: readonly string[]): string {
  return [...(isPod ? ['pod'] : []), ...(names.length > 0 ? [containerText(names)] : [])].join(' and ');
}

/** Names of the containers for which `isBad` says so. */
export function badContainers(spec: PodSpec, isBad: (container: AnyContainer) => boolean): string[] {
  return containersOf(spec)
    .filter(isBad)
    .map(({ name }) => name);
}

/** Windows has none of these: pods that say so are let through. */
export function unlessWindows(check: Check): Check {
  return (metadata, spec) => (spec.os?.name === 'windows' ? undefined : check(metadata, spec));
}

/** Root in a user namespace is nobody outside of it. */
export function unlessUserNamespace(check: Check): Check {
  return (metadata, spec) => (spec.hostUsers === false ? undefined : check(metadata, spec));
}
