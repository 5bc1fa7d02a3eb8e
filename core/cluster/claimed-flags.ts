import type { FlagDefinition } from '../../config/index.js';
import type { PartDescriptor, PluginFlag } from '../plugin-api/descriptor.js';

/** What plugins claim, by flag. */
export function claimedFlags(
  catalogue: readonly PartDescriptor[],
): Map<string, { readonly definition: FlagDefinition; readonly plugins: readonly string[] }> {
  const claimed = new Map<string, { definition: FlagDefinition; plugins: string[] }>();
  for (const descriptor of catalogue) {
    for (const [name, flag] of Object.entries(descriptor.flags ?? {})) {
      const before = claimed.get(name);
      if (before) before.plugins.push(descriptor.id);
      else claimed.set(name, { definition: definitionOf(descriptor, name, flag), plugins: [descriptor.id] });
    }
  }
  return claimed;
}

function definitionOf(
  descriptor: PartDescriptor,
  name: string,
  { kind, summary, environment, command }: PluginFlag,
): FlagDefinition {
  return { kind, summary, environment, on: command, ...(isWhole(descriptor, name) && { whole: true }) };
}

/** Whether the items of a list are not split at commas: the values of arguments hold some. */
export function isWhole({ flags, arguments: component }: PartDescriptor, name: string): boolean {
  return flags?.[name]?.whole === true || component?.flag === name;
}
