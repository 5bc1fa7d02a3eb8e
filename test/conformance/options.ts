import { parseArgs } from 'node:util';
import { didYouMean } from '../../core/base/nearest-name.js';
import { areasOf } from './conformance-list.js';
import type { ConformanceTest } from './conformance-list.js';

/** Where the tests run. `given`: the cluster of $KUBECONFIG. */
export type ClusterKind = 'simulated' | 'real' | 'given';

export interface Options {
  readonly areas: readonly string[];
  readonly focus: RegExp | undefined;
  readonly all: boolean;
  readonly parallel: number;
  /** Undefined: the least that the chosen tests need. */
  readonly cluster: ClusterKind | undefined;
  readonly timeoutMinutes: number;
  /** Folder of the reports. */
  readonly output: string | undefined;
  /** Page between whose marks the score is written. */
  readonly page: string | undefined;
  readonly list: boolean;
  readonly build: boolean;
  readonly help: boolean;
}

export class OptionsError extends Error {}

export const usage = `npm run conformance -- [--area NAME ... | --focus REGEX | --all] [--parallel N] [more]

  --area NAME      the tests of this area; may be given several times
  --focus REGEX    the tests of the list whose names match
  --all            the whole list
  --parallel N     tests that run at once; [Serial] ones always run alone, last (2)
  --simulated      on a simulated node; taken by itself when no chosen area needs containers
  --real           on a real node in a network namespace of its own (needs root)
  --timeout MIN    minutes after which everything is ended (30, with --all 240)
  --output DIR     folder of the reports (a new one in the temporary directory)
  --write FILE     writes the score between the marks in this page
  --list           prints the areas and how many tests each has
  --build          builds what is run, and ends
With KUBECONFIG set the tests run on that cluster.
`;

/** Throws OptionsError with one line that names the option and the mend. */
export function parseOptions(words: readonly string[], environment: NodeJS.ProcessEnv): Options {
  const values = parse(words);
  const cluster: ClusterKind[] = [];
  if (values.simulated) cluster.push('simulated');
  if (values.real) cluster.push('real');
  if (environment['KUBECONFIG']) cluster.push('given');
  if (cluster.length > 1) {
    throw new OptionsError('--simulated, --real and the variable KUBECONFIG exclude each other: keep one');
  }
  const ways = [values.area !== undefined, values.focus !== undefined, values.all === true].filter(Boolean).length;
  if (ways > 1) throw new OptionsError('--area, --focus and --all exclude each other: keep one');
  const idle = values.help === true || values.list === true || values.build === true;
  if (ways === 0 && !idle) throw new OptionsError('say what to run: --area NAME, --focus REGEX or --all; --list names the areas');
  return {
    areas: values.area ?? [],
    focus: values.focus === undefined ? undefined : expression(values.focus),
    all: values.all === true,
    parallel: count('--parallel', values.parallel ?? '2', 64),
    cluster: cluster[0],
    timeoutMinutes: count('--timeout', values.timeout ?? (values.all ? '240' : '30'), 24 * 60),
    output: values.output,
    page: values.write,
    list: values.list === true,
    build: values.build === true,
    help: values.help === true,
  };
}

/** The tests that the options ask for. Throws OptionsError when there are none. */
export function chooseTests(options: Options, list: readonly ConformanceTest[]): ConformanceTest[] {
  const known = areasOf(list);
  const unknown = options.areas.find(area => !known.includes(area));
  if (unknown !== undefined)
    throw new OptionsError(`--area ${unknown}: no such area${didYouMean(unknown, known)}; --list names them`);
  const { focus } = options;
  const chosen = list.filter(test => options.all || options.areas.includes(test.area) || focus?.test(test.name));
  if (chosen.length === 0) throw new OptionsError(`--focus ${focus?.source}: no test of the list has such a name`);
  return chosen;
}

const definitions = {
  area: { type: 'string', multiple: true },
  focus: { type: 'string' },
  all: { type: 'boolean' },
  parallel: { type: 'string' },
  simulated: { type: 'boolean' },
  real: { type: 'boolean' },
  timeout: { type: 'string' },
  output: { type: 'string' },
  write: { type: 'string' },
  list: { type: 'boolean' },
  build: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

function parse(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: definitions }).values;
  } catch (error) {
    // Node adds advice about positional words that does not fit here.
    throw new OptionsError((error as Error).message.split('. ')[0]!);
  }
}

function expression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new OptionsError(`--focus ${text}: ${(error as Error).message}`);
  }
}

function count(option: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new OptionsError(`${option} ${text}: a whole number from 1 to ${most} is wanted`);
  }
  return value;
}
