import { isJsonObject } from '../object.js';

export interface OrderInput {
  /** The merged list, in any order. */
  readonly merged: readonly unknown[];
  /** The order that the patch wants: items, or objects with the merge key. */
  readonly order: readonly unknown[];
  readonly serverOrder: readonly unknown[];
  /** Empty for lists of scalars. */
  readonly mergeKey: string;
}

/**
 * Orders a merged list: the patch's items as the patch orders them, the server's own items as they stood, and each of these
 * before the first patch item that it already stood before. Source: design proposal "preserve order in strategic merge patch".
 */
export function orderAfterMerge(input: OrderInput): unknown[] {
  const { mergeKey } = input;
  const identity = (item: unknown): unknown => (mergeKey === '' ? item : isJsonObject(item) ? item[mergeKey] : undefined);
  const wanted = positions(input.order, identity);
  const stood = positions(input.serverOrder, identity);
  const byPosition = (order: Map<unknown, number>) => (a: unknown, b: unknown) =>
    (order.get(identity(a)) ?? 0) - (order.get(identity(b)) ?? 0);
  const ofPatch = input.merged.filter(item => wanted.has(identity(item))).sort(byPosition(wanted));
  const ofServer = input.merged.filter(item => !wanted.has(identity(item))).sort(byPosition(stood));

  const ordered: unknown[] = [];
  let i = 0;
  let j = 0;
  while (i < ofServer.length && j < ofPatch.length) {
    const left = stood.get(identity(ofServer[i]));
    const right = stood.get(identity(ofPatch[j]));
    if (left !== undefined && right !== undefined && left < right) ordered.push(ofServer[i++]);
    else ordered.push(ofPatch[j++]);
  }
  return [...ordered, ...ofServer.slice(i), ...ofPatch.slice(j)];
}

function positions(list: readonly unknown[], identity: (item: unknown) => unknown): Map<unknown, number> {
  const map = new Map<unknown, number>();
  list.forEach((item, index) => {
    const key = identity(item);
    if (!map.has(key)) map.set(key, index);
  });
  return map;
}
