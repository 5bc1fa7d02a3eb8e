import type { CodedError } from '../../base/errors.js';
import { errorText } from '../../base/errors.js';
import { didYouMean } from '../../base/nearest-name.js';
import { configError } from '../../../config/index.js';

/** What becomes of one argument of an upstream component, as `--kubelet-arg` and its like give it. `T` is what is read into. */
export type ArgumentRule<T> =
  | {
      readonly state: 'works';
      readonly summary: string;
      /** Called for each time it is given, in order. Throws an Error whose message completes "NAME=VALUE: ...". */
      read(value: string, target: T): void;
    }
  /** Accepted; a warning says why nothing comes of it. */
  | { readonly state: 'no-effect'; readonly why: string }
  /** The start is refused, but for values that say what happens anyway. */
  | { readonly state: 'refused'; readonly needs: string; readonly except?: readonly string[] };

export type ArgumentTable<T> = Readonly<Record<string, ArgumentRule<T>>>;

/** One component: whose arguments come by which flag, and what is known of them. */
export interface ArgumentComponent<T> {
  readonly flag: string;
  /** As messages name it: `the kubelet`. */
  readonly name: string;
  readonly table: ArgumentTable<T>;
}

export interface ArgumentFindings {
  readonly errors: CodedError[];
  readonly warnings: string[];
}

/** Reads `name=value` (dashes before it do not matter, a bare name means true) into `target`. Nothing given passes without a word. */
export function readArguments<T>(
  { flag, name: component, table }: ArgumentComponent<T>,
  given: readonly string[],
  target: T,
  source = `--${flag}`,
): ArgumentFindings {
  const errors: CodedError[] = [];
  const warnings: string[] = [];
  const place = source === `--${flag}` ? source : `--${flag} (from ${source})`;
  for (const argument of given) {
    const [, name = '', value = 'true'] = /^-{0,2}([^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
    const rule = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!rule) {
      const text = `${place} ${argument}: ${component} has no argument "${name}" that is known here${didYouMean(name, Object.keys(table))}`;
      errors.push(configError('FLAG_VALUE', text, { mend: 'docs/flags.md lists those that are' }));
    } else if (rule.state === 'no-effect') warnings.push(`${place} ${argument} has no effect: ${rule.why}`);
    else if (rule.state === 'refused') {
      if (rule.except?.includes(value)) continue;
      errors.push(configError('FLAG_NOT_BUILT', `${place} ${argument} needs ${rule.needs}`, { mend: 'leave it out' }));
    } else {
      try {
        rule.read(value, target);
      } catch (error) {
        errors.push(configError('FLAG_VALUE', `${place} ${argument}: ${errorText(error)}`, { cause: error }));
      }
    }
  }
  return { errors, warnings };
}

export function works<T>(summary: string, read: (value: string, target: T) => void): ArgumentRule<T> {
  return { state: 'works', summary, read };
}

export function noEffect(why: string): ArgumentRule<never> & { state: 'no-effect' } {
  return { state: 'no-effect', why };
}

export function refused(needs: string, ...except: readonly string[]): ArgumentRule<never> & { state: 'refused' } {
  return except.length === 0 ? { state: 'refused', needs } : { state: 'refused', needs, except };
}

/** What the components of one process share: there is one log, one listener, one leader. */
export const why = {
  election: 'parts of one process elect no leader',
  features: 'features are not switched by gates here',
  listener: 'it has no listener of its own',
  log: 'there is one log, for which --debug and -v are',
  profiling: 'use node --inspect',
  rates: 'calls inside the process are not throttled',
  workers: 'the number of workers is fixed',
} as const;

export function authenticationOf(means: string): string {
  return `authentication by ${means}, which this version does not build`;
}
