import type { ResourceCatalogue } from '../contracts/resource-catalogue.js';

/** Groups whose server does not tell at the moment what it has: it may have it all the same, so what is watched of it stays watched. */
export function silentGroups({ extensions }: ResourceCatalogue): ReadonlySet<string> {
  return new Set((extensions?.() ?? []).flatMap(({ group, isCurrent }) => (isCurrent ? [] : [group])));
}
