import type { CodedError } from '../../base/errors.js';
import { errorText } from '../../base/errors.js';
import { didYouMean } from '../../base/nearest-name.js';
import { configError } from '../../../config/index.js';
import { splitArgument } from '../../plugin-api/component-arguments.js';
import type { ArgumentComponent } from '../../plugin-api/component-arguments.js';

export { noEffect, refused, why, works } from '../../plugin-api/component-arguments.js';
export type { ArgumentComponent, ArgumentRule } from '../../plugin-api/component-arguments.js';

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
    const [name, value] = splitArgument(argument);
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

export function authenticationOf(means: string): string {
  return `authentication by ${means}, which this version does not build`;
}
