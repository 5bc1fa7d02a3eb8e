import { basename } from 'node:path';
import { CodedError, errorCode } from '../base/errors.js';
import { didYouMean } from '../base/nearest-name.js';
import type { PluginCommands } from '../cluster/plugin-commands.js';
import { commands, commandsNotBuilt, isOwnName } from './command.js';
import type { CommandContext, CommandEntry, CommandFunction } from './command.js';
import { asksForHelp, commandWords } from './command-words.js';
import { errorLines } from './print-error.js';

/** Runs one command line (`process.argv`) and resolves the exit code. Never rejects. */
export async function run(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', onOutputError);
  const print = (line: string): void => void process.stdout.write(line + '\n');
  const printError = (line: string): void => void process.stderr.write(line + '\n');
  try {
    const all = argv.slice(2);
    // Linked under the name of a tool, as K3s allows.
    const calledAs = basename(argv[1] ?? '');
    const linked = commands.find(command => command.passThrough && command.name === calledAs);
    const context = (rest: readonly string[]): CommandContext => ({
      arguments: rest,
      environment: process.env,
      print,
      printError,
    });
    if (linked) return await (await linked.load())(context(all));

    const { name, before, words, help } = commandWords(all);
    if (before.some(word => word === '--version' || word === '-v')) {
      const { kubernetesVersion } = await import('../cluster/version.js');
      print(`k3s version ${kubernetesVersion}`);
      print(`node version ${process.version}`);
      return 0;
    }
    if (name === undefined) {
      const { rootHelp } = await import('./help.js');
      const brought = await pluginCommandsOf(before);
      print(rootHelp(brought.all));
      warnOf(brought, printError);
      for (const own of brought.all.filter(command => isOwnName(command.name))) {
        printError(`warning: the command "${own.name}" of plugin ${own.owner} cannot be called: k3s has one of that name`);
      }
      return 0;
    }
    const entry = findEntry(name) ?? (await pluginEntry(name, words, printError));
    if (help || (!entry.passThrough && asksForHelp(words))) {
      const { commandHelp } = await import('./help.js');
      print(
        await commandHelp(entry, async () => {
          const brought = await pluginCommandsOf(words);
          warnOf(brought, printError);
          return brought.descriptors;
        }),
      );
      return 0;
    }
    return await (
      await entry.load()
    )(context(words));
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

function findEntry(name: string): CommandEntry | undefined {
  const entry = commands.find(command => command.name === name);
  if (!entry && commandsNotBuilt.includes(name)) throw new CodedError('NOT_BUILT', `"k3s ${name}" is not built yet`);
  return entry;
}

async function pluginCommandsOf(words: readonly string[]): Promise<PluginCommands> {
  const { pluginCommands } = await import('../cluster/plugin-commands.js');
  return pluginCommands({ arguments: words, environment: process.env });
}

function warnOf({ failures }: PluginCommands, printError: (line: string) => void): void {
  for (const line of failures.flatMap(errorLines)) printError(line.replace(/^error/, 'warning'));
}

/** A command that a plugin brings. Flags that name plugins and files are not among the words that it gets. */
async function pluginEntry(name: string, words: readonly string[], printError: (line: string) => void): Promise<CommandEntry> {
  const brought = await pluginCommandsOf(words);
  const found = brought.find(name);
  if (!found) {
    const known = [...commands.map(command => command.name), ...brought.all.map(command => command.name)];
    const text = `unknown command "${name}"${didYouMean(name, known)}`;
    const unknown = new CodedError('COMMAND_UNKNOWN', text, { mend: 'see "k3s --help"' });
    // One of those that cannot be loaded may have it.
    throw brought.failures.length === 0 ? unknown : new AggregateError([unknown, ...brought.failures]);
  }
  warnOf(brought, printError);
  const { catchSignals } = await import('./signals.js');
  const run: CommandFunction = async () => {
    const signals = catchSignals();
    try {
      return await found.run(signals.aborted);
    } finally {
      await signals.dispose();
    }
  };
  const { summary, usage = '[arguments]', ownHelp } = found;
  return { name, summary, usage, passThrough: ownHelp, load: async () => run };
}
