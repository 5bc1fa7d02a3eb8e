import { FakeClock } from '../../core/base/fake-clock.js';
import type { Disposable } from '../../core/base/disposable.js';
import { errorCode } from '../../core/base/errors.js';
import { silentLogger } from '../../core/base/logger.js';
import type {
  Datastore,
  DatastoreEvent,
  KeyValue,
  ListPage,
  ListRange,
  WatchListener,
  WriteOptions,
} from '../../core/contracts/datastore.js';
import type { StoreUnderTest } from '../../core/testing/datastore-suite.js';
import { MemoryDatastore } from '../../plugins/datastore/memory/memory-datastore.js';

export interface Fault {
  readonly name: string;
  /** The cases of the suite that must notice it. */
  readonly noticedBy: readonly string[];
  readonly make: (clock: FakeClock) => Datastore;
}

export async function faultyStore(fault: Fault): Promise<StoreUnderTest> {
  const clock = new FakeClock();
  const store = fault.make(clock);
  await store.open();
  return { store, advanceTime: byMs => clock.advance(byMs), dispose: () => store.close() };
}

type Batch = (events: readonly DatastoreEvent[], revision: number) => void;

/** A store whose watches are told something else than what happened. */
function withWatch(alter: (batch: Batch, afterRevision: number) => Batch): (clock: FakeClock) => Datastore {
  class FaultyWatch extends MemoryDatastore {
    override watch(prefix: string, afterRevision: number, listener: WatchListener): Disposable {
      const batch = alter((events, revision) => listener.batch(events, revision), afterRevision);
      return super.watch(prefix, afterRevision, { batch, end: error => listener.end(error) });
    }
  }
  return clock => new FaultyWatch({ logger: silentLogger, clock });
}

class IgnoresExpectedRevision extends MemoryDatastore {
  override async update(key: string, value: Uint8Array, expectedRevision: number, options?: WriteOptions): Promise<number> {
    for (;;) {
      const current = await this.get(key);
      try {
        return await super.update(key, value, current?.modRevision ?? expectedRevision, options);
      } catch (error) {
        if (!current) throw error;
      }
    }
  }
}

/** What one `insert ... on conflict do update` does to a stale update of a removed key. */
class UpdatesByUpsert extends MemoryDatastore {
  override async update(key: string, value: Uint8Array, expectedRevision: number, options?: WriteOptions): Promise<number> {
    if (await this.get(key)) return super.update(key, value, expectedRevision, options);
    return this.create(key, value, options);
  }
}

class DeletesAnyRevision extends MemoryDatastore {
  override async delete(key: string, expectedRevision: number): Promise<number> {
    return super.delete(key, (await this.get(key))?.modRevision ?? expectedRevision);
  }
}

class AnswersBeforeCommit extends MemoryDatastore {
  #promised = 1;
  override create(key: string, value: Uint8Array, options?: WriteOptions): Promise<number> {
    setImmediate(() => void super.create(key, value, options).catch(() => undefined));
    return Promise.resolve(++this.#promised);
  }
}

class ReusesRevision extends MemoryDatastore {
  override async delete(key: string, expectedRevision: number): Promise<number> {
    await super.delete(key, expectedRevision);
    return expectedRevision;
  }
}

class ReadsOnlyTheNewest extends MemoryDatastore {
  override get(key: string): Promise<KeyValue | undefined> {
    return super.get(key);
  }
}

class PagesOfTheNewest extends MemoryDatastore {
  override async list(prefix: string, range: ListRange = {}): Promise<ListPage> {
    const page = await super.list(prefix, { ...range, revision: undefined });
    return { ...page, revision: range.revision ?? page.revision };
  }
}

class PrefixesBySubstring extends MemoryDatastore {
  override async list(prefix: string, range?: ListRange): Promise<ListPage> {
    const page = await super.list('', range);
    return { ...page, items: page.items.filter(item => item.key >= prefix && item.key.slice(0, -1) <= prefix) };
  }
}

class NeverTellsMore extends MemoryDatastore {
  override async list(prefix: string, range?: ListRange): Promise<ListPage> {
    return { ...(await super.list(prefix, range)), more: false };
  }
}

class ForgetsSilently extends MemoryDatastore {
  override async list(prefix: string, range: ListRange = {}): Promise<ListPage> {
    try {
      return await super.list(prefix, range);
    } catch (error) {
      if (errorCode(error) !== 'DATASTORE_COMPACTED') throw error;
      return super.list(prefix, { ...range, revision: undefined });
    }
  }
}

class NeverCompacts extends MemoryDatastore {
  override compact(): Promise<void> {
    return Promise.resolve();
  }
}

class NeverExpires extends MemoryDatastore {
  override create(key: string, value: Uint8Array): Promise<number> {
    return super.create(key, value);
  }
}

class KeepsTheFirstTimeToLive extends MemoryDatastore {
  override update(key: string, value: Uint8Array, expectedRevision: number): Promise<number> {
    return super.update(key, value, expectedRevision, { timeToLiveSeconds: 1 });
  }
}

class DropsRunningWrites extends MemoryDatastore {
  #closed = false;
  override async create(key: string, value: Uint8Array, options?: WriteOptions): Promise<number> {
    const revision = await super.create(key, value, options);
    if (this.#closed) throw new Error('closed');
    return revision;
  }
  override close(): Promise<void> {
    this.#closed = true;
    return super.close();
  }
}

class ClosesQuietly extends MemoryDatastore {
  override watch(prefix: string, afterRevision: number, listener: WatchListener): Disposable {
    return super.watch(prefix, afterRevision, {
      batch: (events, revision) => listener.batch(events, revision),
      end: () => undefined,
    });
  }
}

function plain(type: typeof MemoryDatastore): (clock: FakeClock) => Datastore {
  return clock => new type({ logger: silentLogger, clock });
}

const told = 'a live watch tells creates, updates and removals under its prefix';
const past = 'a watch from a past revision tells exactly what came after it, then goes on';
const burst = 'watches that begin in a burst of writes have no gap and nothing twice';
const before = 'a write is told before it is answered';
const stale = 'a stale update conflicts, shows what is there and changes nothing';

export const faults: readonly Fault[] = [
  {
    name: 'drops an event now and then',
    noticedBy: ['a long history is told whole', 'many watches under load all hear everything in order'],
    make: withWatch(
      batch => (events, revision) =>
        batch(
          events.filter(event => event.revision % 97 !== 0),
          revision,
        ),
    ),
  },
  {
    name: 'tells an event twice',
    noticedBy: [told, burst],
    make: withWatch(
      batch => (events, revision) =>
        batch(
          events.flatMap(event => [event, event]),
          revision,
        ),
    ),
  },
  {
    name: 'tells a commit in the wrong order',
    noticedBy: ['many watches under load all hear everything in order'],
    make: withWatch(batch => (events, revision) => batch(events.toReversed(), revision)),
  },
  {
    name: 'tells events with a progress that is behind them',
    noticedBy: [told],
    make: withWatch(batch => (events, revision) => batch(events, revision - 1)),
  },
  {
    name: 'tells nothing of what came before the watch',
    noticedBy: [past],
    make: withWatch(batch => {
      let first = true;
      return (events, revision) => {
        batch(first ? [] : events, revision);
        first = false;
      };
    }),
  },
  {
    name: 'tells no progress',
    noticedBy: ['writes elsewhere are told as progress'],
    make: withWatch(batch => (events, revision) => void (events.length > 0 && batch(events, revision))),
  },
  {
    name: 'leaves out the value before',
    noticedBy: [told, past],
    make: withWatch(
      batch => (events, revision) =>
        batch(
          events.map(event => ({ ...event, previousValue: undefined })),
          revision,
        ),
    ),
  },
  {
    name: 'tells watches after the answer',
    noticedBy: [before, 'relaxed writes obey the same conditions and are seen at once'],
    make: withWatch(batch => (events, revision) => void setImmediate(() => batch(events, revision))),
  },
  {
    name: 'answers before the commit',
    noticedBy: [before, 'a write is seen by every later read'],
    make: plain(AnswersBeforeCommit),
  },
  {
    name: 'uses a revision twice',
    noticedBy: ['delete needs the right revision and has one of its own'],
    make: plain(ReusesRevision),
  },
  {
    name: 'ignores the expected revision of updates',
    noticedBy: [stale, 'of concurrent writers of one key exactly one wins, and the others see it'],
    make: plain(IgnoresExpectedRevision),
  },
  {
    name: 'creates by a stale update',
    noticedBy: ['an update of a removed or absent key conflicts with nothing and does not create it'],
    make: plain(UpdatesByUpsert),
  },
  {
    name: 'ignores the expected revision of removals',
    noticedBy: ['delete needs the right revision and has one of its own'],
    make: plain(DeletesAnyRevision),
  },
  {
    name: 'gets the newest whatever was asked',
    noticedBy: ['every kept revision can be read', 'a revision that is not reached yet is refused'],
    make: plain(ReadsOnlyTheNewest),
  },
  {
    name: 'lists the newest whatever was asked',
    noticedBy: ['every kept revision can be read', 'pages show the revision of the first while writes go on'],
    make: plain(PagesOfTheNewest),
  },
  {
    name: 'mistakes neighbours for keys under the prefix',
    noticedBy: ['keys come in the order of their bytes, and a prefix takes nothing beside it'],
    make: plain(PrefixesBySubstring),
  },
  { name: 'ends a list at the first page', noticedBy: ['more is told exactly'], make: plain(NeverTellsMore) },
  {
    name: 'answers with something else what was compacted',
    noticedBy: ['compaction forgets what lies below and keeps the rest'],
    make: plain(ForgetsSilently),
  },
  {
    name: 'does not compact',
    noticedBy: [
      'compaction forgets what lies below and keeps the rest',
      'a watch from before the compacted revision ends, one from it goes on with values before',
    ],
    make: plain(NeverCompacts),
  },
  {
    name: 'never removes what expired',
    noticedBy: ['a key with a time to live goes when its time is over, by an ordinary removal'],
    make: plain(NeverExpires),
  },
  {
    name: 'removes what a later write kept',
    noticedBy: ['a later write renews the time to live or ends it'],
    make: plain(KeepsTheFirstTimeToLive),
  },
  {
    name: 'refuses at its close what was running',
    noticedBy: ['close lets running calls end, ends watches without an error and refuses what comes later'],
    make: plain(DropsRunningWrites),
  },
  {
    name: 'leaves watches hanging at its close',
    noticedBy: ['close lets running calls end, ends watches without an error and refuses what comes later'],
    make: plain(ClosesQuietly),
  },
];
