import { writeSync } from 'node:fs';
import { SystemClock } from '../../core/base/clock.js';
import { errorCode } from '../../core/base/errors.js';
import { silentLogger } from '../../core/base/logger.js';
import { SqliteDatastore } from '../../plugins/datastore/sqlite/sqlite-datastore.js';

/*
 * The child of the durability tests: writes to a store and says on its standard output, synchronously, what was acknowledged:
 *   REVISION KEY VALUE
 * node datastore-writer.js burst|steps|relaxed DIRECTORY ROUND COUNT
 * burst: 16 writers of new keys and 4 relaxed renewers, until it is killed. steps, relaxed: COUNT writes one after the other,
 * then it waits to be killed.
 */
const [mode, directory, round, count] = process.argv.slice(2) as [string, string, string, string];

const store = new SqliteDatastore({ directory, logger: silentLogger, clock: new SystemClock() });
await store.open();
say('ready');

if (mode === 'burst') {
  for (let writer = 0; writer < 16; writer++) void create(writer);
  for (let lease = 0; lease < 4; lease++) void renew(`/leases/${lease}`, Infinity);
} else {
  if (mode === 'steps') await steps();
  else await renew('/leases/only', Number(count));
  say('done');
}
// Only the parent ends this process.
setInterval(() => undefined, 1 << 30);

async function create(writer: number): Promise<never> {
  for (let turn = 0; ; turn++) {
    const key = `/round-${round}/${writer}/${turn}`;
    const revision = await store.create(key, Buffer.from(`${writer}.${turn}`));
    say(`${revision} ${key} ${writer}.${turn}`);
  }
}

async function renew(key: string, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    const value = `${round}.${turn}`;
    const current = await store.get(key);
    const revision = current
      ? await store.update(key, Buffer.from(value), current.modRevision, { relaxed: true })
      : await store.create(key, Buffer.from(value), { relaxed: true });
    say(`${revision} ${key} ${value}`);
  }
}

/** Creates, updates and removals in turn; a removal is said with the value `-`. */
async function steps(): Promise<void> {
  const revisions = new Map<string, number>();
  for (let step = 0; step < Number(count); step++) {
    const key = `/steps/${step % 17}`;
    const value = `${step} `
      .repeat(1 + (step % 50))
      .trimEnd()
      .replaceAll(' ', '.');
    const current = revisions.get(key);
    if (current === undefined) revisions.set(key, await store.create(key, Buffer.from(value)));
    else if (step % 5 > 0) revisions.set(key, await store.update(key, Buffer.from(value), current));
    else {
      say(`${await store.delete(key, current)} ${key} -`);
      revisions.delete(key);
      continue;
    }
    say(`${revisions.get(key)} ${key} ${value}`);
  }
}

/** Waits where the reader is behind: Node's pipes do not block. */
function say(line: string): void {
  let rest = Buffer.from(`${line}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (errorCode(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
