import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';

/** Runs one step of every plugin that cares, in order; the first refusal ends it. */
export async function runAdmission(
  plugins: readonly AdmissionPlugin[],
  step: 'mutate' | 'validate',
  attributes: AdmissionAttributes,
): Promise<void> {
  for (const plugin of plugins) {
    const run = plugin[step];
    if (!run || (plugin.handles && !plugin.handles(attributes))) continue;
    await run.call(plugin, attributes);
  }
}
