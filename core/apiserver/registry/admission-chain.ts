import type { AdmissionAttributes, AdmissionPlugin, MutationRounds } from '../../contracts/admission.js';

/** Runs one step of every plugin that cares, in order; the first refusal ends it. Mutating plugins run a second time where one asks. */
export async function runAdmission(
  plugins: readonly AdmissionPlugin[],
  step: 'mutate' | 'validate',
  attributes: AdmissionAttributes,
): Promise<void> {
  if (step === 'validate') return runRound(plugins, step, attributes);
  const rounds = new Rounds();
  await runRound(plugins, step, { ...attributes, rounds });
  if (!rounds.wantsSecond) return;
  rounds.isSecond = true;
  await runRound(plugins, step, { ...attributes, rounds });
}

async function runRound(
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

class Rounds implements MutationRounds {
  readonly notes = new Map<string, unknown>();
  isSecond = false;
  wantsSecond = false;

  askForSecond(): void {
    this.wantsSecond = true;
  }
}
