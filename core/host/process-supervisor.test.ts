import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, SystemClock } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import { FakeClock } from '../base/fake-clock.js';
import { silentLogger, SinkLogger } from '../base/logger.js';
import type { Logger } from '../base/logger.js';
import { findByArgument, isAlive, processIdentity } from './process-identity.js';
import { ProcessSupervisor } from './process-supervisor.js';
import type { SupervisedProcess } from './process-supervisor.js';

const signal = new AbortController().signal;

/** A daemon that answers on a socket, as far as a test needs one. */
const program = `
  const net = require('node:net');
  require('node:fs').rmSync(process.argv[2], { force: true });
  process.stderr.write('the daemon starts\\n');
  if (process.argv[3] === 'broken') { process.stderr.write('no room left\\n'); process.exit(1); }
  net.createServer(socket => socket.on('error', () => undefined).end('here')).listen(process.argv[2]);
`;

describe('process supervisor', () => {
  let directory: string;
  let supervisors: ProcessSupervisor[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'supervisor-'));
    supervisors = [];
    writeFileSync(join(directory, 'daemon.cjs'), program);
  });

  afterEach(async () => {
    for (const supervisor of supervisors) await supervisor.kill(signal);
    rmSync(directory, { recursive: true, force: true });
  });

  function supervise(
    changes: Partial<SupervisedProcess> = {},
    onRestarted?: () => void,
    clock: Clock = new SystemClock(),
    logger: Logger = silentLogger,
  ): ProcessSupervisor {
    const socket = join(directory, 'socket');
    const supervisor = new ProcessSupervisor(
      {
        name: 'daemon',
        command: process.execPath,
        args: [join(directory, 'daemon.cjs'), socket],
        environment: { PATH: process.env['PATH'] ?? '' },
        mark: join(directory, 'daemon.cjs'),
        fingerprint: 'one',
        ownerFile: join(directory, 'owner.json'),
        logFile: join(directory, 'log', 'daemon.log'),
        logLimitBytes: 1000,
        answers: () =>
          new Promise(resolve => {
            const connection = createConnection(socket);
            connection.on('connect', () => connection.destroy());
            connection.on('error', () => resolve(false));
            connection.on('close', hadError => resolve(!hadError));
          }),
        ...changes,
      },
      {
        clock,
        logger,
        backoff: { initialMs: 10, maximumMs: 50 },
        ...(onRestarted && { onRestarted }),
      },
    );
    supervisors.push(supervisor);
    return supervisor;
  }

  it('starts in a session of its own, and leaves it running on release', async () => {
    const supervisor = supervise();
    expect(await supervisor.start(signal)).toBe('started');
    const pid = supervisor.pid!;
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    expect(Number(fields[3])).toBe(pid);
    supervisor.release();
    expect(processIdentity(pid)).toBeDefined();
    expect(readFileSync(join(directory, 'log', 'daemon.log'), 'utf8')).toContain('the daemon starts');
  });

  it('adopts what it finds alive, also when the owner file is lost', async () => {
    const first = supervise();
    await first.start(signal);
    first.release();
    const second = supervise();
    expect(await second.start(signal)).toBe('adopted');
    expect(second.pid).toBe(first.pid);
    second.release();
    rmSync(join(directory, 'owner.json'));
    const third = supervise({ fingerprint: '' });
    expect(await third.start(signal)).toBe('adopted');
    expect(third.pid).toBe(first.pid);
  });

  it('starts it anew when it runs with other settings', async () => {
    const first = supervise();
    await first.start(signal);
    first.release();
    const second = supervise({ fingerprint: 'two' });
    expect(await second.start(signal)).toBe('started');
    expect(second.pid).not.toBe(first.pid);
    expect(processIdentity(first.pid!)).toBeUndefined();
  });

  it('refuses a stranger that answers', async () => {
    await supervise().start(signal);
    rmSync(join(directory, 'owner.json'));
    const other = supervise({ mark: 'nobody has this argument', ownerFile: join(directory, 'other.json') });
    await expect(other.start(signal)).rejects.toMatchObject({ code: 'PROCESS_FOREIGN' });
    expect(existsSync(join(directory, 'other.json'))).toBe(false);
  });

  it('does not take another process that got the same id for its own', async () => {
    const own = processIdentity(process.pid)!;
    expect(isAlive(own)).toBe(true);
    expect(isAlive({ ...own, startTicks: own.startTicks - 1 })).toBe(false);
    expect(isAlive({ ...own, bootId: 'of yesterday' })).toBe(false);
  });

  it('starts it again when it dies', async () => {
    const restarted = Promise.withResolvers<void>();
    const supervisor = supervise({}, () => restarted.resolve());
    await supervisor.start(signal);
    const before = supervisor.pid!;
    process.kill(before, 'SIGKILL');
    await restarted.promise;
    expect(supervisor.pid).not.toBe(before);
    expect(processIdentity(supervisor.pid!)).toBeDefined();
  });

  it('starts no second one beside one that is long in coming up', async () => {
    const clock = new FakeClock();
    let answers = true;
    let asked = 0;
    const mark = join(directory, 'daemon.cjs');
    const slow = {
      answers: async (): Promise<boolean> => {
        asked++;
        if (!answers) await sleep(clock, 10_000);
        return answers;
      },
    };
    const restarted = Promise.withResolvers<void>();
    const first = supervise();
    await first.start(signal);
    first.release();
    const supervisor = supervise(slow, () => restarted.resolve(), clock);
    expect(await supervisor.start(signal)).toBe('adopted');
    process.kill(supervisor.pid!, 'SIGKILL');
    while (processIdentity(supervisor.pid!)) await new Promise(resolve => setImmediate(resolve));
    answers = false;
    await clock.advance(1000);
    await clock.advance(50);
    const pid = supervisor.pid!;
    for (let waited = 0; waited < 130_000; waited += 10_000) await clock.advance(10_000);
    expect(asked).toBeGreaterThan(10);
    expect(findByArgument(mark).map(own => own.pid)).toEqual([pid]);
    answers = true;
    await clock.advance(11_000);
    await restarted.promise;
    expect(supervisor.pid).toBe(pid);
    supervisor.release();
    process.kill(pid, 'SIGKILL');
    while (processIdentity(pid)) await new Promise(resolve => setImmediate(resolve));
  });

  it('goes on looking at a log that could not be shortened', async () => {
    const clock = new FakeClock();
    const logFile = join(directory, 'log', 'daemon.log');
    const first = supervise();
    await first.start(signal);
    first.release();
    writeFileSync(logFile, 'x'.repeat(5000), { flag: 'a' });
    mkdirSync(`${logFile}.1`);
    const warned = Promise.withResolvers<void>();
    const second = supervise({}, undefined, clock, new SinkLogger(({ level }) => level === 'warn' && warned.resolve()));
    await second.start(signal);
    await warned.promise;
    rmSync(`${logFile}.1`, { recursive: true });
    while (statSync(logFile).size > 0) {
      await clock.advance(30_000);
      await new Promise(resolve => setImmediate(resolve));
    }
    second.release();
  });

  it('tells the last words of one that does not come up', async () => {
    const supervisor = supervise({ args: [join(directory, 'daemon.cjs'), join(directory, 'socket'), 'broken'] });
    await expect(supervisor.start(signal)).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: 'daemon ended at once: no room left',
    });
    await expect(supervise({ command: '/no/such/program' }).start(signal)).rejects.toMatchObject({ code: 'PROCESS_FAILED' });
  });

  it('cuts a log that has grown too long, keeping its end', async () => {
    const logFile = join(directory, 'log', 'daemon.log');
    const first = supervise();
    await first.start(signal);
    first.release();
    writeFileSync(logFile, `${'x'.repeat(5000)}the end\n`, { flag: 'a' });
    await supervise().start(signal);
    await new Promise<void>((resolve, reject) => {
      const giveUp = setTimeout(() => reject(new Error('the log was not cut')), 5000);
      const look = setInterval(() => {
        if (statSync(logFile).size > 0) return;
        clearInterval(look);
        clearTimeout(giveUp);
        resolve();
      }, 10);
    });
    const kept = readFileSync(`${logFile}.1`, 'utf8');
    expect(kept).toHaveLength(1000);
    expect(kept.endsWith('the end\n')).toBe(true);
  });
});
