import type { AdmissionAttributes, AdmissionPlugin, MutationRounds } from '../../contracts/admission.js';

/** Runs one step of every plugin that cares, in order; the first refusal ends it. Mutating plugins run a second time where one asks. */
export async function runAdmission(
  plugins: readonly AdmissionPlugin[],
  step: 'mutate' | 'validate',
  attributes: Omit<AdmissionAttributes, 'rounds'>,
): Promise<void> {
  if (step === 'validate') return runRound(plugins, step, attributes);
  const rounds = new Rounds();
  const shared: AdmissionAttributes = Object.assign(attributes, { rounds });
  await runRound(plugins, step, shared);
  if (!rounds.wantsSecond) return;
  rounds.isSecond = true;
  await runRound(plugins, step, shared);
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
  isSecond = false;
  wantsSecond = false;
  #notes: Map<string, unknown> | undefined;

  /** Most requests need none. */
  get notes(): Map<string, unknown> {
    return (this.#notes ??= new Map());
  }

  askForSecond(): void {
    this.wantsSecond = true;
  }
}
