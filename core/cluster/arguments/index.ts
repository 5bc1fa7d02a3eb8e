import type { CodedError } from '../../base/errors.js';
import type { LoadedConfig } from '../../../config/index.js';
import type { CatalogueEntry, PartSelection } from '../../kernel/wiring.js';
import { readArguments } from './component-arguments.js';
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

/** Judges the arguments of the parts that run, before anything is built: of the core, and of plugins whose descriptor has a table. */
export async function checkArguments(
  plugins: readonly PartSelection[],
  catalogue: readonly CatalogueEntry[],
  sources: LoadedConfig['sources'],
): Promise<{ readonly errors: CodedError[]; readonly warnings: string[] }> {
  const errors: CodedError[] = [];
  const warnings: string[] = [];
  const judge = ({ errors: wrong, warnings: idle }: ArgumentFindings): void => {
    errors.push(...wrong);
    warnings.push(...idle);
  };
  for (const { part, flag, load } of components) {
    const given = plugins.find(({ id }) => id === part)?.options?.['arguments'];
    if (!Array.isArray(given) || given.length === 0) continue;
    const check = await load();
    judge(check(given.map(String), sources.get(flag)));
  }
  for (const { descriptor } of catalogue) {
    const { id, arguments: component, flags } = descriptor;
    const option = component && flags?.[component.flag]?.option;
    const given = option === undefined ? undefined : plugins.find(plugin => plugin.id === id)?.options?.[option];
    if (Array.isArray(given)) judge(readArguments(component!, given.map(String), {}, sources.get(component!.flag)));
  }
  return { errors, warnings };
}
