/** What a simulated command does: steps in time, then an exit, or no end. */
export interface ProcessPlan {
  readonly steps: readonly ProcessStep[];
  /** Undefined: runs until it is told to stop. */
  readonly exitCode: number | undefined;
}

export type ProcessStep = { readonly type: 'output'; readonly text: string } | { readonly type: 'wait'; readonly ms: number };

export interface ProcessEnvironment {
  readonly hostname: string;
  readonly variables: ReadonlyMap<string, string>;
}

/** Programs that end by themselves at once; any other goes on. */
const shortPrograms = new Set(
  '[ : basename cat cd chmod chown cp curl cut date df dirname dig export find free grep head id ip kill ln ls mkdir mktemp mount mv nc nslookup ping printf ps pwd readlink rm rmdir sed set sort stat stty sync tar tee test touch tr trap ulimit umask uname unset wc wget which whoami'.split(
    ' ',
  ),
);
const loops = new Set(['while', 'until', 'for', 'exec', 'wait', 'watch', 'yes']);

/** Reads a command line as far as a simulation can: `true`, `false`, `exit N`, `sleep N`, `echo`, `env`, and shell scripts of these. */
export function planProcess(words: readonly string[], environment: ProcessEnvironment): ProcessPlan {
  const script = shellScript(words);
  if (script !== undefined) return planScript(script, environment);
  if (words.length === 0) return { steps: [], exitCode: undefined };
  return planCommands([{ words: [...words], onlyAfter: undefined }], environment);
}

function shellScript(words: readonly string[]): string | undefined {
  const program = words[0]?.split('/').pop();
  if (program !== 'sh' && program !== 'bash' && program !== 'ash' && program !== 'dash') return undefined;
  const flag = words.findIndex(word => /^-[a-z]*c[a-z]*$/.test(word));
  return flag > 0 ? (words[flag + 1] ?? '') : undefined;
}

interface PlannedCommand {
  words: string[];
  /** Runs only when the one before it succeeded or failed. */
  onlyAfter: 'success' | 'failure' | undefined;
}

function planScript(script: string, environment: ProcessEnvironment): ProcessPlan {
  const commands: PlannedCommand[] = [];
  let onlyAfter: PlannedCommand['onlyAfter'];
  for (const token of script.split(/(&&|\|\||;|\n)/)) {
    const text = token.trim();
    if (text === '&&') onlyAfter = 'success';
    else if (text === '||') onlyAfter = 'failure';
    else if (text === ';' || token.includes('\n')) onlyAfter = undefined;
    if (text === '' || text === '&&' || text === '||' || text === ';') continue;
    commands.push({ words: splitWords(text, environment), onlyAfter });
  }
  return planCommands(commands, environment);
}

function planCommands(commands: readonly PlannedCommand[], environment: ProcessEnvironment): ProcessPlan {
  const steps: ProcessStep[] = [];
  let last = 0;
  for (const { words, onlyAfter } of commands) {
    if ((onlyAfter === 'success' && last !== 0) || (onlyAfter === 'failure' && last === 0)) continue;
    const program = words[0]?.split('/').pop() ?? '';
    last = 0;
    if (program === 'exit') return { steps, exitCode: words[1] === undefined ? last : Number(words[1]) & 255 };
    if (program === 'false') last = 1;
    else if (program === 'echo') steps.push({ type: 'output', text: words.slice(1).filter(isText).join(' ') });
    else if (program === 'hostname') steps.push({ type: 'output', text: environment.hostname });
    else if (program === 'env' || program === 'printenv') {
      const text =
        words[1] === undefined
          ? Array.from(environment.variables, ([name, value]) => `${name}=${value}`).join('\n')
          : (environment.variables.get(words[1]) ?? '');
      steps.push({ type: 'output', text });
      if (words[1] !== undefined && !environment.variables.has(words[1])) last = 1;
    } else if (program === 'sleep') {
      const seconds = sleepSeconds(words[1] ?? '');
      if (seconds === undefined) return { steps, exitCode: undefined };
      steps.push({ type: 'wait', ms: seconds * 1000 });
    } else if (program !== 'true' && (loops.has(program) || !shortPrograms.has(program))) {
      return { steps, exitCode: undefined };
    }
  }
  return { steps, exitCode: last };
}

const isText = (word: string): boolean => word !== '-n' && word !== '-e' && !/^[0-9]?>/.test(word);

/** Seconds of `sleep`'s argument; undefined for `infinity`. */
function sleepSeconds(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[match[2] as '' | 's' | 'm' | 'h' | 'd'];
}

function splitWords(text: string, { variables }: ProcessEnvironment): string[] {
  const words: string[] = [];
  for (const match of text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)) {
    const plain = match[1] ?? match[3];
    words.push(
      plain === undefined
        ? match[2]!
        : plain.replace(
            /\$(?:\{(\w+)\}|(\w+))/g,
            (_all, braced?: string, bare?: string) => variables.get(braced ?? bare ?? '') ?? '',
          ),
    );
  }
  return words;
}
