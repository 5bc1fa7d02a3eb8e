import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../core/base/clock.js';
import { errorCode } from '../../core/base/errors.js';
import { silentLogger } from '../../core/base/logger.js';
import { Recorder, seededRandom } from '../../core/testing/datastore-suite-support.js';
import { SqliteDatastore } from '../../plugins/datastore/sqlite/sqlite-datastore.js';
import { SqliteEngine } from '../../plugins/datastore/sqlite/sqlite-engine.js';
import { checkIntegrity } from '../../plugins/datastore/sqlite/sqlite-maintenance.js';

const writerScript = fileURLToPath(new URL('./datastore-writer.js', import.meta.url));
const kills = 20;
const cuts = 200;
/** Where everything is required, a missing right or tool is a failure and not a skip. */
const isRequired = process.env['K3S_TEST_REQUIRE'] === '1';

interface Acknowledged {
  readonly revision: number;
  readonly key: string;
  readonly value: string;
}

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'durability-'));
});
afterAll(() => rmSync(root, { recursive: true }));

/** A writer process and what it has said so far. */
class Writer {
  readonly #child: ChildProcess;
  #said = '';
  #wake: (() => void) | undefined;
  readonly #closed: Promise<void>;

  constructor(command: readonly string[], mode: string, directory: string, options: { round?: number; count?: number } = {}) {
    const [program, ...before] = [...command, process.execPath];
    const { round = 0, count = 0 } = options;
    this.#child = spawn(program!, [...before, writerScript, mode, directory, String(round), String(count)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child.stdout!.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString();
      this.#wake?.();
    });
    this.#closed = new Promise(resolve => {
      this.#child.on('close', () => {
        resolve();
        this.#wake?.();
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Waits until the writer has said so many lines, or the given one. */
  async until(condition: (said: string) => boolean): Promise<void> {
    while (!condition(this.#said)) {
      if (this.#child.exitCode !== null) throw new Error(`the writer ended: ${this.#said.slice(-200)}`);
      await new Promise<void>(resolve => (this.#wake = resolve));
    }
  }

  async kill(pid = this.#child.pid!): Promise<Acknowledged[]> {
    process.kill(pid, 'SIGKILL');
    await this.#closed;
    // A line without its end was not said.
    const lines = this.#said.slice(0, this.#said.lastIndexOf('\n')).split('\n');
    return lines.flatMap(line => {
      const [revision, key, value] = line.split(' ');
      return value === undefined ? [] : [{ revision: Number(revision), key: key!, value }];
    });
  }

  /** The writer itself where the command is a tracer. */
  pidBelow(): number {
    const children = readFileSync(`/proc/${this.#child.pid}/task/${this.#child.pid}/children`, 'utf8');
    return Number(children.trim().split(' ')[0]);
  }
}

function copyStore(from: string, name: string): string {
  const to = join(root, name);
  mkdirSync(to);
  for (const file of ['state.db', 'state.db-wal']) {
    if (statSync(join(from, file), { throwIfNoEntry: false })) copyFileSync(join(from, file), join(to, file));
  }
  return to;
}

describe('the sqlite datastore', () => {
  it(`keeps every acknowledged write through ${kills} kills in a burst of writes`, async () => {
    const directory = join(root, 'killed');
    const random = seededRandom(Date.now());
    let after = 1;
    let total = 0;
    for (let round = 0; round < kills; round++) {
      const writer = new Writer([], 'burst', directory, { round });
      const lines = 50 + random(2000);
      await writer.until(said => said.length > lines * 20);
      const acknowledged = await writer.kill();
      total += acknowledged.length;
      // The store itself stays as the kill left it, for the next writer.
      const copy = new SqliteDatastore({
        directory: copyStore(directory, `copy-${round}`),
        logger: silentLogger,
        clock: new SystemClock(),
      });
      await copy.open();
      const now = await copy.currentRevision();
      const history = await new Recorder(copy, '/', after).reached(now);
      const changes = new Map(
        history.events.map(event => [event.revision, `${event.key} ${Buffer.from(event.value!).toString()}`]),
      );
      const lost = acknowledged.filter(({ revision, key, value }) => changes.get(revision) !== `${key} ${value}`);
      expect(lost).toEqual([]);
      expect((await copy.checkIntegrity()).join()).toBe('');
      history.dispose();
      const newest = Math.max(after, ...changes.keys());
      expect(now).toBeGreaterThanOrEqual(newest);
      after = newest;
      await copy.close();
      rmSync(join(root, `copy-${round}`), { recursive: true });
    }
    expect(total).toBeGreaterThan(kills * 50);
  }, 60_000);

  it(`opens from a write-ahead log that was cut at any of ${cuts} places, with a prefix of its history`, async () => {
    const directory = join(root, 'cut');
    const writer = new Writer([], 'steps', directory, { count: 150 });
    await writer.until(said => said.includes('done'));
    const acknowledged = await writer.kill();
    expect(acknowledged.length).toBe(150);
    const random = seededRandom(Date.now());
    const logBytes = statSync(join(directory, 'state.db-wal')).size;
    const seen = new Set<number>();
    for (let cut = 0; cut < cuts; cut++) {
      const copy = copyStore(directory, `cut-${cut}`);
      const keptBytes = cut === 0 ? logBytes : random(logBytes);
      tear(join(copy, 'state.db-wal'), keptBytes, cut % 2 === 0 ? 0 : random(10_000));
      const engine = SqliteEngine.open({ file: join(copy, 'state.db'), quotaBytes: 0 });
      const { revision } = engine;
      seen.add(revision);
      expect(checkIntegrity(engine).join()).toBe('');
      const expected = new Map<string, string>();
      for (const each of acknowledged.filter(each => each.revision <= revision)) {
        if (each.value === '-') expected.delete(each.key);
        else expected.set(each.key, each.value);
      }
      const rows = engine.database
        .prepare<[], [string, string]>('select key, cast(value as text) from state join version using (revision) order by key')
        .raw()
        .all();
      expect(rows.map(row => row.join(' '))).toEqual([...expected].map(row => row.join(' ')).sort());
      if (cut === 0) expect(revision).toBe(acknowledged.at(-1)!.revision);
      engine.close();
      rmSync(copy, { recursive: true });
    }
    expect(seen.size).toBeGreaterThan(cuts / 4);
  }, 60_000);

  it('names the process that has the store open', async () => {
    const directory = join(root, 'held');
    const writer = new Writer([], 'steps', directory, { count: 1 });
    await writer.until(said => said.includes('done'));
    const second = new SqliteDatastore({ directory, logger: silentLogger, clock: new SystemClock() });
    await expect(second.open()).rejects.toThrow(`in use by process ${writer.pid} (`);
    await second.close();
    await writer.kill();
  });

  const noMount = mountProblem();
  (noMount && !isRequired ? it.skip : it)(
    `loses nothing on a full disk and goes on when there is room${noMount ? ` (${noMount})` : ''}`,
    async () => {
      const directory = join(root, 'small-disk');
      mkdirSync(directory);
      mount('-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', directory);
      try {
        const store = new SqliteDatastore({ directory, logger: silentLogger, clock: new SystemClock() });
        await store.open();
        const acknowledged: string[] = [];
        const errors = new Set<string | undefined>();
        const fill = async (round: number): Promise<void> => {
          const key = (index: number): string => `/k/${round}/${index}`;
          const outcomes = await Promise.allSettled(
            Array.from({ length: 20 }, (_, index) => store.create(key(index), Buffer.alloc(5000))),
          );
          for (const [index, outcome] of outcomes.entries()) {
            if (outcome.status === 'fulfilled') acknowledged.push(key(index));
            else errors.add(errorCode(outcome.reason));
          }
        };
        for (let round = 0; round < 100; round++) await fill(round);
        expect([...errors]).toEqual(['DATASTORE_FULL']);
        const filled = acknowledged.length;
        expect((await store.list('/k/')).items.map(item => item.key)).toEqual(acknowledged.toSorted());
        mount('-o', 'remount,size=64m', directory);
        errors.clear();
        await fill(100);
        expect([[...errors], acknowledged.length]).toEqual([[], filled + 20]);
        expect((await store.checkIntegrity()).join()).toBe('');
        await store.close();
        const again = new SqliteDatastore({ directory, logger: silentLogger, clock: new SystemClock() });
        await again.open();
        expect(await again.count('/k/')).toBe(acknowledged.length);
        await again.close();
      } finally {
        spawnSync('umount', [directory]);
      }
    },
  );

  const noTrace = traceProblem();
  (noTrace && !isRequired ? it.skip : it)(
    `waits for the disk before each answer${noTrace ? ` (${noTrace})` : ''}`,
    async () => {
      const durable = await trace('steps', 60);
      expect(durable.answers).toBe(60);
      expect(durable.unsynced).toBe(0);
    },
    30_000,
  );

  (noTrace && !isRequired ? it.skip : it)(
    `does not sync for renewals of leases${noTrace ? ` (${noTrace})` : ''}`,
    async () => {
      const relaxed = await trace('relaxed', 60);
      expect(relaxed.answers).toBe(60);
      // The first one reserves revisions on the disk; the others are in the log, and the disk has them later.
      expect(relaxed.unsynced).toBeGreaterThanOrEqual(59);
      expect(relaxed.syncs).toBeLessThanOrEqual(2);
    },
    30_000,
  );
});

/** Cuts a file and puts noise behind the cut, as a disk may that lost its power while writing. */
function tear(file: string, keptBytes: number, noiseBytes: number): void {
  truncateSync(file, keptBytes);
  if (noiseBytes === 0) return;
  const descriptor = openSync(file, 'a');
  writeSync(
    descriptor,
    Uint8Array.from({ length: noiseBytes }, () => Math.floor(Math.random() * 256)),
  );
  closeSync(descriptor);
}

function mount(...options: string[]): void {
  const { status, stderr } = spawnSync('mount', options);
  if (status !== 0) throw new Error(`mount failed: ${stderr}`);
}

/** Why file systems cannot be mounted here; undefined when they can. */
function mountProblem(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]).status === 0;
  if (mounted) spawnSync('umount', [directory]);
  rmSync(directory, { recursive: true });
  return mounted ? undefined : 'mounting needs root';
}

/** Why system calls cannot be traced here; undefined when they can. */
function traceProblem(): string | undefined {
  const { error, status } = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']);
  if (error) return 'strace is not installed';
  return status === 0 ? undefined : 'this process may not trace others';
}

interface Trace {
  readonly answers: number;
  /** Answers before which the log was written but not synced. */
  readonly unsynced: number;
  /** Syncs of the log between the first and the last answer. */
  readonly syncs: number;
}

/** Runs the writer under strace and looks at what came between its answers. */
async function trace(mode: string, count: number): Promise<Trace> {
  const directory = join(root, `traced-${mode}`);
  const output = join(root, `${mode}.trace`);
  const tracer = ['strace', '-f', '-y', '-o', output, '-e', 'trace=write,pwrite64,fdatasync,fsync'];
  const writer = new Writer(tracer, mode, directory, { count });
  await writer.until(said => said.includes('done'));
  await writer.kill(writer.pidBelow());
  let answers = 0;
  let unsynced = 0;
  let syncs = 0;
  let dirty = false;
  let ready = false;
  const syncing = new Set<string>();
  for (const line of readFileSync(output, 'utf8').split('\n')) {
    const pid = line.slice(0, line.indexOf(' '));
    const call = line.slice(pid.length).trim();
    if (call.startsWith('pwrite64') && call.includes('state.db-wal>')) dirty = true;
    const isSync = /^f(data)?sync\(/.test(call) && call.includes('state.db-wal>');
    if (isSync && call.includes('unfinished')) syncing.add(pid);
    const isResumed = /^<\.\.\. f(data)?sync resumed/.test(call) && syncing.delete(pid);
    if ((isSync || isResumed) && call.endsWith('= 0')) {
      dirty = false;
      if (ready) syncs++;
    }
    const answer = /^write\(1<[^>]*>, "(\w+)/.exec(call)?.[1];
    if (answer === 'ready') ready = true;
    if (answer === undefined || !/^\d+$/.test(answer)) continue;
    answers++;
    if (dirty) unsynced++;
  }
  return { answers, unsynced, syncs };
}
