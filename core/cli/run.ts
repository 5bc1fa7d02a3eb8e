import { basename } from 'node:path';
import { CodedError, errorCode } from '../base/errors.js';
import { didYouMean } from '../base/nearest-name.js';
import { commands, commandsNotBuilt } from './command.js';
import type { CommandContext, CommandEntry, CommandFunction } from './command.js';
import { errorLines } from './print-error.js';

/** Runs one command line (`process.argv`) and resolves the exit code. Never rejects. */
export async function run(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', onOutputError);
  const print = (line: string): void => void process.stdout.write(line + '\n');
  const printError = (line: string): void => void process.stderr.write(line + '\n');
  try {
    const words = argv.slice(2);
    // Linked under the name of a tool, as K3s allows.
    const calledAs = basename(argv[1] ?? '');
    const linked = commands.find(command => command.passThrough && command.name === calledAs);
    const context = (rest: readonly string[]): CommandContext => ({
      arguments: rest,
      environment: process.env,
      print,
      printError,
    });
    if (linked) return await (await linked.load())(context(words));

    const at = words.findIndex(word => !word.startsWith('-'));
    const name = at < 0 ? undefined : words[at]!;
    const rootWords = at < 0 ? words : words.slice(0, at);
    const rest = at < 0 ? [] : words.slice(at + 1);
    if (rootWords.some(word => word === '--version' || word === '-v')) {
      const { kubernetesVersion } = await import('../cluster/version.js');
      print(`k3s version ${kubernetesVersion}`);
      print(`node version ${process.version}`);
      return 0;
    }
    if (name === undefined || name === 'help' || rootWords.some(isHelp)) {
      const { rootHelp, commandHelp } = await import('./help.js');
      const about = name === 'help' ? rest[0] : name;
      print(about === undefined ? rootHelp() : await commandHelp(findEntry(about) ?? (await pluginEntry(about, rest))));
      return 0;
    }
    const entry = findEntry(name) ?? (await pluginEntry(name, rest));
    if (!entry.passThrough && rest.some(isHelp)) {
      const { commandHelp } = await import('./help.js');
      print(await commandHelp(entry));
      return 0;
    }
    return await (
      await entry.load()
    )(context([...rootWords, ...rest]));
  } catch (error) {
    for (const line of errorLines(error)) printError(line);
    return 1;
  } finally {
    // What the last line met shows a moment after it was written.
    await new Promise(resolve => setImmediate(resolve));
    process.stdout.off('error', onOutputError);
  }
}

/** `| head` has seen enough: that is the normal end of a program that prints. */
function onOutputError(error: Error): void {
  if (errorCode(error) !== 'EPIPE') throw error;
  process.exit(0);
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h';
}

function findEntry(name: string): CommandEntry | undefined {
  const entry = commands.find(command => command.name === name);
  if (!entry && commandsNotBuilt.includes(name)) throw new CodedError('NOT_BUILT', `"k3s ${name}" is not built yet`);
  return entry;
}

/** A command that a plugin brings gets all words behind it, `--help` too. */
async function pluginEntry(name: string, rest: readonly string[]): Promise<CommandEntry> {
  const { pluginCommands } = await import('../cluster/plugin-commands.js');
  const brought = await pluginCommands({ arguments: rest, environment: process.env });
  const found = brought.find(name);
  if (found) {
    const { catchSignals } = await import('./signals.js');
    const run: CommandFunction = async () => {
      const signals = catchSignals();
      try {
        return await found.run(signals.aborted);
      } finally {
        await signals.dispose();
      }
    };
    return { name, summary: '', passThrough: true, load: async () => run };
  }
  const known = [...commands.map(command => command.name), ...brought.names];
  throw new CodedError('COMMAND_UNKNOWN', `unknown command "${name}"${didYouMean(name, known)}`, { mend: 'see "k3s --help"' });
}
