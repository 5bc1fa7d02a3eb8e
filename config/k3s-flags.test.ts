import { describe, expect, it } from '@jest/globals';
import { flags } from './index.js';
import type { FlagDefinition } from './index.js';
import { k3sAliases, k3sFlags } from './k3s-flags.js';
import { indexFlags } from './parse-arguments.js';

const table: Readonly<Record<string, FlagDefinition>> = flags;
/** Ours, beside those of K3s. */
const own = ['plugin', 'preset', 'slot'];

describe("the table of K3s' flags", () => {
  it('has every flag that we know and no other, sorted', () => {
    const names = k3sFlags.map(([name]) => name);
    expect(names).toEqual([...names].sort());
    expect([...names, ...own].sort()).toEqual(Object.keys(flags).sort());
  });

  it.each(k3sFlags)('--%s is on the same commands, with the same variable and default', (name, on, environment, default_) => {
    const definition = table[name]!;
    expect([definition.on ?? 'both', definition.environment ?? '']).toEqual([on, environment]);
    // Where ours has none, its value is computed: the summary tells it.
    if (definition.default !== undefined) expect(String(definition.default)).toBe(default_);
  });

  it('has the letters and old names of K3s', () => {
    const index = indexFlags(table);
    for (const [alias, name] of Object.entries(k3sAliases)) expect([alias, index.get(alias)?.name]).toEqual([alias, name]);
  });
});
