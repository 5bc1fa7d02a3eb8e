import { CodedError, errorCode } from '../../base/errors.js';
import type { PromiseOutcome } from '../../testing/plugin-check.js';
import type { CommandContext } from '../command.js';
import { textWithMend } from '../print-error.js';

/** `k3s plugin check DIR [flags of k3s server]`: one line a promise, and exit code 1 when one of them is broken. */
export async function pluginCheck(context: CommandContext): Promise<number> {
  const [directory, ...flags] = context.arguments;
  if (directory === undefined || directory.startsWith('-') || (flags[0] !== undefined && !flags[0].startsWith('-'))) {
    throw new CodedError('ARGUMENT_INVALID', '"k3s plugin check" takes the directory of one package', {
      mend: 'k3s plugin check ./my-plugin',
    });
  }
  const { checkPlugin } = await import('../../testing/plugin-check.js');
  let count = 0;
  let broken = 0;
  const report = ({ name, error }: PromiseOutcome): void => {
    count++;
    if (error === undefined) return context.print(`ok      ${name}`);
    broken++;
    const expected = errorCode(error) === undefined ? firstLineOf(error) : textWithMend(error);
    context.print(`broken  ${name}: ${expected}`);
  };
  const { kept, notes } = await checkPlugin(directory, report, { flags });
  for (const note of notes) context.print(`note    ${note}`);
  context.print(kept ? `${count} promises kept` : `${broken} of ${count} promises broken`);
  return kept ? 0 : 1;
}

/** An assertion shows what it compared on further lines. */
function firstLineOf(error: unknown): string {
  const [first = '', ...rest] = (error instanceof Error ? error.message || error.name : String(error)).split('\n');
  return [first, ...rest.map(line => line.trim()).filter(line => line !== '')].slice(0, 6).join(' ');
}
