import type { FlagDefinition } from '../../config/index.js';
import type { PartDescriptor } from '../plugin-api/descriptor.js';

/** What plugins claim, by flag. */
export function claimedFlags(
  catalogue: readonly PartDescriptor[],
): Map<string, { readonly definition: FlagDefinition; readonly plugins: readonly string[] }> {
  const claimed = new Map<string, { definition: FlagDefinition; plugins: string[] }>();
  for (const { id, flags: own = {} } of catalogue) {
    for (const [name, { kind, summary, environment, command }] of Object.entries(own)) {
      const before = claimed.get(name);
      if (before) before.plugins.push(id);
      else claimed.set(name, { definition: { kind, summary, environment, on: command }, plugins: [id] });
    }
  }
  return claimed;
}
