import { jsonText, mayHoldWideIntegers, parseOwnJson, parseRoundedJson } from '../../machinery/codec/json-text.js';
import type { ObjectEntry } from '../../contracts/api-transport.js';
import type { KubeObject } from '../../machinery/object.js';
import { deepFreeze } from '../../machinery/object.js';

const metadataStart = Buffer.from('"metadata":{');

/** Objects that were encoded and hold BigInts. */
const wideObjects = new WeakSet<object>();

/** Encodes an object for the store: kind, apiVersion and metadata first, no resourceVersion. */
export function encodeStored(object: KubeObject): Buffer {
  const { kind, apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _resourceVersion, ...plain } = metadata;
  return Buffer.from(jsonText({ kind, apiVersion, metadata: plain, ...rest }, { onWide: () => wideObjects.add(object) }));
}

/** The stored bytes with `metadata.resourceVersion` put in: what a client reads. There is none in what was never stored, of revision 0. */
export function withResourceVersion(stored: Uint8Array, revision: number): Buffer {
  const source = Buffer.isBuffer(stored) ? stored : Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  if (revision === 0) return Buffer.from(source);
  const at = source.indexOf(metadataStart) + metadataStart.length;
  if (at < metadataStart.length) throw new Error('stored object has no metadata');
  const empty = source[at] === 0x7d;
  const insert = `"resourceVersion":"${revision}"${empty ? '' : ','}`;
  // Not from Node's pool: these bytes live as long as the object.
  const bytes = Buffer.allocUnsafeSlow(source.length + insert.length);
  source.copy(bytes, 0, 0, at);
  bytes.write(insert, at, 'latin1');
  source.copy(bytes, at + insert.length, at);
  return bytes;
}

/**
 * Keeps the parsed form of recently used objects, up to a number of source bytes; parsed objects cost about four times that.
 * Second-chance order: an object that was read since it was last looked at stays.
 */
export class ParseCache {
  readonly isExact: boolean;
  readonly #limitBytes: number;
  #bytes = 0;
  #ring: StoredObject<KubeObject>[] = [];
  #head = 0;

  /** `isExact`: everybody gets whole numbers beyond 2^53 as BigInts; for objects whose fields are the users'. */
  constructor({ limitBytes = 4 * 1024 * 1024, isExact = false }: { limitBytes?: number; isExact?: boolean } = {}) {
    this.#limitBytes = limitBytes;
    this.isExact = isExact;
  }

  parse(text: string): unknown {
    return this.isExact ? parseOwnJson(text) : parseRoundedJson(text);
  }

  admit(entry: StoredObject<KubeObject>): void {
    this.#ring.push(entry);
    this.#bytes += entry.bytes.length;
    while (this.#bytes > this.#limitBytes && this.#head < this.#ring.length - 1) {
      const oldest = this.#ring[this.#head++]!;
      if (oldest.takeTouched()) this.#ring.push(oldest);
      else {
        oldest.forget();
        this.#bytes -= oldest.bytes.length;
      }
      if (this.#head > 4096) {
        this.#ring = this.#ring.slice(this.#head);
        this.#head = 0;
      }
    }
  }
}

export interface EntryFields {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Values of the selectable fields. */
  readonly fields: Readonly<Record<string, string>>;
}

const noLabels: Readonly<Record<string, string>> = Object.freeze({});

/** One revision of one object as the cache holds it: the bytes a client gets, and what selectors need. */
export class StoredObject<T extends KubeObject = KubeObject> implements ObjectEntry<T> {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, string>>;
  readonly revision: number;
  /** JSON with resourceVersion. */
  readonly bytes: Buffer;
  readonly #cache: ParseCache;
  #parsed: T | undefined;
  #isRounded = false;
  #touched = false;

  private constructor(cache: ParseCache, index: EntryFields, revision: number, bytes: Buffer) {
    this.#cache = cache;
    this.namespace = index.namespace;
    this.name = index.name;
    this.uid = index.uid;
    this.labels = index.labels;
    this.fields = index.fields;
    this.revision = revision;
    this.bytes = bytes;
  }

  /** From the store's bytes; `known` is the object that was encoded to them, where the caller still has it. */
  static decode<T extends KubeObject>(
    cache: ParseCache,
    stored: Uint8Array,
    revision: number,
    options: { known?: T | undefined; fields?: ((object: T) => Record<string, string>) | undefined } = {},
  ): StoredObject<T> {
    const bytes = withResourceVersion(stored, revision);
    const known = options.known && (cache.isExact || !wideObjects.has(options.known)) ? options.known : undefined;
    const text = known ? '' : bytes.toString();
    const isWide = mayHoldWideIntegers(text);
    const parsed = known ?? ((isWide ? cache.parse(text) : JSON.parse(text)) as T);
    if (known && revision !== 0) parsed.metadata.resourceVersion = String(revision);
    deepFreeze(parsed);
    const { metadata } = parsed;
    const index: EntryFields = {
      namespace: metadata.namespace ?? '',
      name: metadata.name ?? '',
      uid: metadata.uid ?? '',
      labels: metadata.labels ?? noLabels,
      fields: options.fields ? options.fields(parsed) : noLabels,
    };
    const entry = new StoredObject<T>(cache, index, revision, bytes);
    entry.#parsed = parsed;
    entry.#isRounded = isWide && !cache.isExact;
    cache.admit(entry as unknown as StoredObject<KubeObject>);
    return entry;
  }

  /** The same object as of its deletion. */
  deletedAt(revision: number): StoredObject<T> {
    const { exact } = this;
    const object = { ...exact, metadata: { ...exact.metadata } };
    delete object.metadata.resourceVersion;
    return StoredObject.decode<T>(this.#cache, encodeStored(object), revision, { known: object, fields: () => this.fields });
  }

  get resourceVersion(): string {
    return String(this.revision);
  }

  get object(): T {
    this.#touched = true;
    if (this.#parsed === undefined) {
      this.#parsed = deepFreeze(this.#cache.parse(this.bytes.toString()) as T);
      this.#cache.admit(this as unknown as StoredObject<KubeObject>);
    }
    return this.#parsed;
  }

  /** As it is stored: fields of 64 bits whose value is beyond what a number holds are BigInts, where `object` rounds them. */
  get exact(): T {
    return this.#isRounded ? deepFreeze(parseOwnJson(this.bytes.toString()) as T) : this.object;
  }

  takeTouched(): boolean {
    const touched = this.#touched;
    this.#touched = false;
    return touched;
  }

  forget(): void {
    this.#parsed = undefined;
  }
}
