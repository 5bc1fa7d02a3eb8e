import type { ObjectMeta } from '../../machinery/object.js';

/** The newest of the classes that are marked as default; the first by name of those equally new. */
export function newestDefault<T extends { metadata: ObjectMeta }>(
  classes: Iterable<Readonly<T>>,
  isDefault: (annotations: Readonly<Record<string, string>>) => boolean,
): Readonly<T> | undefined {
  let best: Readonly<T> | undefined;
  for (const candidate of classes) {
    if (!isDefault(candidate.metadata.annotations ?? {})) continue;
    if (!best || isBefore(candidate.metadata, best.metadata)) best = candidate;
  }
  return best;
}

function isBefore(a: ObjectMeta, b: ObjectMeta): boolean {
  const [createdA = '', createdB = ''] = [a.creationTimestamp, b.creationTimestamp];
  return createdA === createdB ? (a.name ?? '') < (b.name ?? '') : createdA > createdB;
}
