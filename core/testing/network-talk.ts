import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { CodedError } from '../plugin-api/index.js';

export type Protocol = 'TCP' | 'UDP';

export interface Question {
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** So many times, one after the other. */
  readonly times: number;
  /** Of a UDP client that keeps its port; 0: another one each time. */
  readonly localPort: number;
  readonly timeoutMs: number;
}

/** Asks servers that `answer` made: `NAME CLIENT_ADDRESS` each, or `error CODE`. Stands alone, so that another process can run its text. */
export async function ask(question: Question): Promise<string[]> {
  const net = process.getBuiltinModule('node:net');
  const dgram = process.getBuiltinModule('node:dgram');
  const { address, port, timeoutMs } = question;
  const tcp = (): Promise<string> =>
    new Promise(resolve => {
      let said = '';
      const socket = net.connect({ host: address, port });
      const timer = setTimeout(() => {
        said = 'error TIMEOUT';
        socket.destroy();
      }, timeoutMs);
      socket.on('data', chunk => (said += chunk.toString()));
      socket.on('error', error => (said = `error ${(error as NodeJS.ErrnoException).code}`));
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(said === '' ? 'error CLOSED' : said);
      });
    });
  const udp = (): Promise<string> =>
    new Promise(resolve => {
      const socket = dgram.createSocket('udp4');
      const finish = (said: string): void => {
        clearTimeout(timer);
        socket.close(() => resolve(said));
      };
      const timer = setTimeout(() => finish('error TIMEOUT'), timeoutMs);
      socket.once('message', said => finish(said.toString()));
      socket.once('error', error => finish(`error ${(error as NodeJS.ErrnoException).code}`));
      // Connected, so that it hears of a port that nobody has.
      socket.bind(question.localPort, () => socket.connect(port, address, () => socket.send('?')));
    });
  const answers: string[] = [];
  for (let count = 0; count < question.times; count++) answers.push(await (question.protocol === 'TCP' ? tcp() : udp()));
  return answers;
}

/** A server that says its name, and to whom. Resolves when it listens. Stands alone too. */
export async function answer(name: string, host: string, port: number, protocol: Protocol): Promise<() => Promise<void>> {
  const net = process.getBuiltinModule('node:net');
  const dgram = process.getBuiltinModule('node:dgram');
  if (protocol === 'UDP') {
    const socket = dgram.createSocket('udp4');
    socket.on('message', (_, from) => socket.send(`${name} ${from.address}`, from.port, from.address));
    await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(port, host, resolve));
    return () => new Promise(resolve => socket.close(resolve));
  }
  const server = net.createServer(socket => {
    socket.on('error', () => undefined);
    socket.end(`${name} ${socket.remoteAddress}`);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, () => resolve()));
  return () => new Promise(resolve => server.close(() => resolve()));
}

/** The same in another network namespace. */
export async function askIn(namespacePath: string, question: Question): Promise<string[]> {
  const script = `(${ask.toString()})(${JSON.stringify(question)}).then(said => console.log(JSON.stringify(said)))`;
  const child = spawn('nsenter', [`--net=${namespacePath}`, process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (output === '') throw new CodedError('TOOL_FAILED', `cannot ask from ${namespacePath}: ${errors}`);
  return JSON.parse(output) as string[];
}

export async function answerIn(
  namespacePath: string,
  ...[name, host, port, protocol]: Parameters<typeof answer>
): Promise<() => Promise<void>> {
  const given = [name, host, port, protocol].map(each => JSON.stringify(each)).join();
  // Its input ends with this process, whatever happens to it.
  const script = `process.stdin.resume().on('end', () => process.exit()); (${answer.toString()})(${given}).then(() => console.log('up'))`;
  const child = spawn('nsenter', [`--net=${namespacePath}`, process.execPath, '-e', script], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [Buffer | number | null];
  if (!Buffer.isBuffer(said)) throw new CodedError('TOOL_FAILED', `no server comes up at ${namespacePath}, port ${port}`);
  return async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
}
