import { CodedError } from '../../base/errors.js';
import { didYouMean } from '../../base/nearest-name.js';
import { discardCluster, prepareCluster } from '../../cluster/prepare-cluster.js';
import { openRuntime } from '../../cluster/runtime-access.js';
import type { CommandContext } from '../command.js';
import type { RuntimeOutput } from '../crictl/output.js';
import { parseRequest } from '../crictl/request.js';
import { runtimeCommands } from '../crictl/runtime-commands.js';

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
  if (rest[0] === '--help' || rest[0] === '-h') {
    context.print(`Usage: k3s crictl ${verb} ${command.usage}`);
    context.print(`Flags: ${command.flags.map(flagHelp).join(', ')}`);
    return 0;
  }
  const request = parseRequest(verb, command.flags, rest, command.stopsAtWord ?? false);
  if (request.words.length < command.needs.length) {
    const missing = command.needs[request.words.length]!;
    throw new CodedError('USAGE', `"k3s crictl ${verb}" needs ${missing}`, { mend: `k3s crictl ${verb} ${command.usage}` });
  }
  if (process.getuid?.() !== 0)
    throw new CodedError('NEEDS_ROOT', '"k3s crictl" needs root', { mend: 'sudo npx k3s crictl ...' });
  const prepared = await prepareCluster({ command: 'server', arguments: cluster, environment: context.environment });
  try {
    return await command.run(await openRuntime(prepared), request, outputOf(context));
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
  const lines = Object.entries(runtimeCommands).map(
    ([name, { usage: words, summary }]) => [`${name} ${words}`, summary] as const,
  );
  const width = Math.max(...lines.map(([words]) => words.length));
  return [
    'Usage: k3s crictl [--data-dir DIR] COMMAND',
    '',
    ...lines.map(([words, summary]) => `  ${words.padEnd(width)}  ${summary}`),
    '',
    'All flags of a command: k3s crictl COMMAND --help',
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

/** `all|a` is `--all (-a)`. */
function flagHelp(flag: string): string {
  const [name, short] = flag.replace('=', '').split('|');
  return `--${name}${short === undefined ? '' : ` (-${short})`}${flag.endsWith('=') ? ' VALUE' : ''}`;
}

function outputOf({ print }: CommandContext): RuntimeOutput {
  return { print, write: (stream, text) => void process[stream].write(text) };
}
