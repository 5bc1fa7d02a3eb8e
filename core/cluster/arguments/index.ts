import type { CodedError } from '../../base/errors.js';
import type { LoadedConfig } from '../../../config/index.js';
import type { PartSelection } from '../../kernel/wiring.js';
import type { ArgumentFindings } from './component-arguments.js';

interface CheckedComponent {
  readonly part: string;
  readonly flag: string;
  load(): Promise<(given: readonly string[], source?: string) => ArgumentFindings>;
}

/**
 * The parts of the core that take arguments of upstream's components, one sorted line an entry. Their tables know the parts
 * themselves, which are not loaded for a command that runs none.
 */
// prettier-ignore
const components: readonly CheckedComponent[] = [
  { part: 'apiserver', flag: 'kube-apiserver-arg', load: async () => (await import('./apiserver-arguments.js')).apiServerTuning },
  { part: 'controllers', flag: 'kube-controller-manager-arg', load: async () => (await import('./controller-arguments.js')).controllersTuning },
  { part: 'default-scheduler', flag: 'kube-scheduler-arg', load: async () => (await import('./scheduler-arguments.js')).schedulerTuning },
  { part: 'kubelet', flag: 'kubelet-arg', load: async () => (await import('./kubelet-arguments.js')).kubeletTuning },
];

/** Judges the arguments of the parts that run, before anything is built. */
export async function checkArguments(
  plugins: readonly PartSelection[],
  sources: LoadedConfig['sources'],
): Promise<{ readonly errors: CodedError[]; readonly warnings: string[] }> {
  const errors: CodedError[] = [];
  const warnings: string[] = [];
  for (const { part, flag, load } of components) {
    const given = plugins.find(({ id }) => id === part)?.options?.['arguments'];
    if (!Array.isArray(given) || given.length === 0) continue;
    const check = await load();
    const found = check(given.map(String), sources.get(flag));
    errors.push(...found.errors);
    warnings.push(...found.warnings);
  }
  return { errors, warnings };
}
