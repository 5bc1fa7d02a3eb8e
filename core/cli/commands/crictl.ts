import { CodedError } from '../../base/errors.js';
import { didYouMean } from '../../base/nearest-name.js';
import { discardCluster, prepareCluster } from '../../cluster/prepare-cluster.js';
import { openRuntime } from '../../cluster/runtime-access.js';
import type { CommandContext } from '../command.js';
import { runtimeCommands } from '../runtime-commands.js';
import type { RuntimeRequest } from '../runtime-commands.js';

/** `k3s crictl [--data-dir DIR] VERB ...`: what the container runtime of this node has, also while no server runs. */
export async function crictl(context: CommandContext): Promise<number> {
  const { cluster, verb, rest } = split(context.arguments);
  if (verb === undefined || verb === 'help') {
    for (const line of usage()) context.print(line);
    return verb === undefined ? 1 : 0;
  }
  const command = Object.hasOwn(runtimeCommands, verb) ? runtimeCommands[verb] : undefined;
  if (!command) {
    const known = Object.keys(runtimeCommands);
    throw new CodedError('COMMAND_UNKNOWN', `unknown command "k3s crictl ${verb}"${didYouMean(verb, known)}`, {
      mend: `there are ${known.join(', ')}`,
    });
  }
  const request = parse(verb, command.flags, rest);
  if (request.words.length < command.needs.length) {
    const missing = command.needs[request.words.length]!;
    throw new CodedError('USAGE', `"k3s crictl ${verb}" needs ${missing}`, { mend: `k3s crictl ${verb} ${command.usage}` });
  }
  if (process.getuid?.() !== 0)
    throw new CodedError('NEEDS_ROOT', '"k3s crictl" needs root', { mend: 'sudo npx k3s crictl ...' });
  const prepared = await prepareCluster({ command: 'server', arguments: cluster, environment: context.environment });
  try {
    return await command.run(await openRuntime(prepared), request, context.print);
  } catch (error) {
    // The runtime's message is whole; what lies below it says the same again.
    if (error instanceof CodedError && error.code.startsWith('RUNTIME_'))
      throw new CodedError(error.code, error.message, { mend: error.mend });
    throw error;
  } finally {
    await discardCluster(prepared);
  }
}

function usage(): string[] {
  return [
    'Usage: k3s crictl [--data-dir DIR] COMMAND',
    '',
    ...Object.entries(runtimeCommands).map(
      ([name, { usage: words, summary }]) => `  ${`${name} ${words}`.padEnd(48)} ${summary}`,
    ),
  ];
}

/** Flags before the verb are those of the cluster. */
function split(words: readonly string[]): { cluster: string[]; verb: string | undefined; rest: string[] } {
  const cluster: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--data-dir' || word === '-d' || word === '--config' || word === '-c' || word === '--preset') {
      cluster.push(word, ...words.slice(at + 1, ++at + 1));
    } else if (word === '--help' || word === '-h') return { cluster, verb: 'help', rest: [] };
    else if (word.startsWith('-')) cluster.push(word);
    else return { cluster, verb: word, rest: words.slice(at + 1) };
  }
  return { cluster, verb: undefined, rest: [] };
}

/** Switches, and flags with a value (`name=`), up to the first other word; `exec` has flags of another program after that. */
function parse(verb: string, known: readonly string[], words: readonly string[]): RuntimeRequest {
  const flags = new Map<string, string>();
  const plain: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (!word.startsWith('-') || (verb === 'exec' && plain.length > 0)) {
      plain.push(word);
      continue;
    }
    const [spelled, ...value] = word.replace(/^--?/, '').split('=');
    // `-it` is `-i -t`.
    const names = word.startsWith('--') || known.some(each => each.replace('=', '') === spelled) ? [spelled!] : [...spelled!];
    for (const name of names) {
      if (known.includes(name)) flags.set(name, 'true');
      else if (known.includes(`${name}=`)) {
        const given = value.length > 0 ? value.join('=') : words[++at];
        if (given === undefined) throw new CodedError('USAGE', `"k3s crictl ${verb}": the flag ${word} needs a value`);
        flags.set(name, given);
      } else
        throw new CodedError('USAGE', `"k3s crictl ${verb}" does not know the flag ${word}`, { mend: 'see "k3s crictl help"' });
    }
  }
  return { words: plain, flags };
}
