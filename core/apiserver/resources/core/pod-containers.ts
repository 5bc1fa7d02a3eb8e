import type { Container, EphemeralContainer, PodSpec } from '../../../api/generated/types.js';
import type { FieldPath } from '../../../machinery/field-errors.js';

export interface PlacedContainer {
  readonly list: 'initContainers' | 'containers' | 'ephemeralContainers';
  readonly index: number;
  readonly container: Container | EphemeralContainer;
}

/** Init, main and ephemeral containers, in this order. */
export function everyContainer(spec: PodSpec): PlacedContainer[] {
  const all: PlacedContainer[] = [];
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    (spec[list] ?? []).forEach((container, index) => all.push({ list, index, container }));
  }
  return all;
}

export const containerPath = (specPath: FieldPath, { list, index }: PlacedContainer): FieldPath =>
  specPath.child(list).index(index);
