/** Where a command writes and what it is told; of the process, or of a test. */
export interface CommandContext {
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Results. */
  print(line: string): void;
  /** Log lines and errors. */
  printError(line: string): void;
}

/** Resolves the exit code. Expected errors are thrown; `run` prints them. */
export type CommandFunction = (context: CommandContext) => Promise<number>;

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** What follows the name, as its help shows it; of commands that plugins bring. */
  readonly usage?: string;
  /** All arguments belong to another program, also `--help`. */
  readonly passThrough?: boolean;
  load(): Promise<CommandFunction>;
}

/** All commands, one sorted line an entry. */
export const commands: readonly CommandEntry[] = [
  { name: 'agent', summary: 'run a node that joins a server', load: async () => (await import('./commands/server.js')).agent },
  {
    name: 'config',
    summary: 'check, view: flags and files as a server would have them, without running',
    load: async () => (await import('./commands/config.js')).config,
  },
  {
    name: 'crictl',
    summary: 'ps, pods, images, logs, exec, pull, rmi, stats, inspect: what the container runtime has',
    passThrough: true,
    load: async () => (await import('./commands/crictl.js')).crictl,
  },
  {
    name: 'helm',
    summary: 'run helm against this cluster',
    passThrough: true,
    load: async () => (await import('./commands/tool.js')).helm,
  },
  {
    name: 'killall',
    summary: "end this node's pods and take all that the server made off this host, but its data",
    load: async () => (await import('./commands/removal.js')).killall,
  },
  {
    name: 'kubectl',
    summary: 'run kubectl against this cluster',
    passThrough: true,
    load: async () => (await import('./commands/tool.js')).kubectl,
  },
  {
    name: 'plugin',
    summary: 'list, init, check: the slots and who holds them, and plugins of your own',
    load: async () => (await import('./commands/plugin.js')).plugin,
  },
  { name: 'server', summary: 'run a server and its own node', load: async () => (await import('./commands/server.js')).server },
  {
    name: 'service',
    summary: 'install, remove: the systemd service',
    load: async () => (await import('./commands/service.js')).service,
  },
  {
    name: 'start',
    summary: 'run a server in the foreground and say what it does',
    load: async () => (await import('./commands/server.js')).start,
  },
  {
    name: 'uninstall',
    summary: 'killall, and the data, the kubeconfig and the service',
    load: async () => (await import('./commands/removal.js')).uninstall,
  },
];

/** Commands of K3s that this version knows by name only. */
export const commandsNotBuilt: readonly string[] = [
  'certificate',
  'check-config',
  'completion',
  'ctr',
  'etcd-snapshot',
  'secrets-encrypt',
  'token',
];

/** Names that no plugin's command can have. */
export function isOwnName(name: string): boolean {
  return name === 'help' || commandsNotBuilt.includes(name) || commands.some(command => command.name === name);
}
