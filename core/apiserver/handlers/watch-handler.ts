import { jsonText } from '../../machinery/codec/json-text.js';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import type { KubeObject } from '../../machinery/object.js';
import { encodeWatchFrame } from '../../machinery/codec/protobuf.js';
import { toStatus } from '../../machinery/status-error.js';
import type { Upgrade } from '../connect/one-way-socket.js';
import { acceptOneWay, closeSocket, offeredProtocols } from '../connect/one-way-socket.js';
import type { Selection } from '../registry/selection.js';
import type { CacheEvent } from '../storage/resource-cache.js';
import type { StorageHub } from '../storage/storage-hub.js';
import type { StoredObject } from '../storage/stored-object.js';
import { isClosed } from './http-answer.js';
import type { IncludeObject } from './encoding.js';
import { protobufOf } from './encoding.js';
import type { Acceptance } from './negotiation.js';
import type { ServedResource } from './served-resource.js';
import { encodeAnyProtobuf } from './served-resource.js';
import { partialObject, tableOf } from './table.js';
import type { ChangeType, WatchOptions, WatchSink } from './watch-source.js';
import { openWatch } from './watch-source.js';

/** A client that lets so much pile up is cut off. */
const backlogLimitBytes = 16 * 1024 * 1024;
const initialEventsEndAnnotation = 'k8s.io/initial-events-end';

const lengthPrefixBytes = 4;

type EventType = ChangeType | 'BOOKMARK' | 'ERROR';

const jsonHead: Record<EventType, Buffer> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
  BOOKMARK: Buffer.from('{"type":"BOOKMARK","object":'),
  ERROR: Buffer.from('{"type":"ERROR","object":'),
};
const jsonTail = Buffer.from('}\n');

export interface WatchTarget<T extends KubeObject> {
  readonly served: ServedResource<T>;
  readonly hub: StorageHub;
  readonly clock: Clock;
  readonly acceptance: Acceptance;
  readonly include: IncludeObject;
}

/** Where frames go once the watch is open: an HTTP answer or a WebSocket. */
interface FrameOutlet {
  readonly pendingBytes: number;
  write(frame: Buffer): void;
  end(): void;
  cutOff(): void;
}

/** Serves a watch as a stream of frames until the client leaves, the time is over or the client is too slow. */
export async function serveWatch<T extends KubeObject>(
  target: WatchTarget<T>,
  selection: Selection,
  options: WatchOptions,
  exchange: { request: IncomingMessage; response: ServerResponse; onOpened?: (() => void) | undefined },
): Promise<void> {
  const { request, response } = exchange;
  const encoder = new FrameEncoder(target, true);
  const run = new WatchRun(encoder);
  response.on('close', () => run.close());
  await run.open(target, selection, options);
  if (isClosed(response)) return run.close();
  response.setHeader('Content-Type', encoder.contentType);
  response.setHeader('Cache-Control', 'no-cache, private');
  response.writeHead(200);
  response.flushHeaders();
  // Over HTTP/2 the stream itself: its compatible face costs as much as the writing, and a thousand may watch.
  const stream = 'stream' in response ? (response.stream as Writable) : response;
  run.start({
    get pendingBytes() {
      return stream.writableLength;
    },
    write: frame => stream.write(frame),
    end: () => response.end(),
    cutOff: () => response.destroy(),
  });
  exchange.onOpened?.();
  // An aborted HTTP/1.1 request closes its response; nothing more to do here but wait for that.
  request.on('aborted', () => run.close());
}

/** The same over a WebSocket, one event a message. Source: WatchServer.HandleWS. */
export async function serveWatchOverSocket<T extends KubeObject>(
  target: WatchTarget<T>,
  selection: Selection,
  options: WatchOptions,
  upgrade: Upgrade & { readonly onOpened?: (() => void) | undefined },
): Promise<void> {
  const encoder = new FrameEncoder(target, false);
  const run = new WatchRun(encoder);
  await run.open(target, selection, options);
  const client = await acceptOneWay(upgrade, offeredProtocols(upgrade.request)[0]!);
  if (!client) return run.close();
  client.on('close', () => run.close());
  run.start({
    get pendingBytes() {
      return client.bufferedAmount;
    },
    write: frame => client.send(frame, { binary: encoder.binary }),
    end: () => closeSocket(client),
    cutOff: () => client.terminate(),
  });
  upgrade.onOpened?.();
}

/** One watch from its opening, when a refusal is still an answer of its own, to its end. */
class WatchRun<T extends KubeObject> {
  readonly #encoder: FrameEncoder<T>;
  #watch: Disposable | undefined;
  #outlet: FrameOutlet | undefined;
  #early: Buffer[] = [];
  #closed = false;

  constructor(encoder: FrameEncoder<T>) {
    this.#encoder = encoder;
  }

  /** Resolves when the initial events are here. Throws Expired and the like. */
  async open(target: WatchTarget<T>, selection: Selection, options: WatchOptions): Promise<void> {
    const sink: WatchSink<T> = {
      change: (type, entry, source) => this.#write(this.#encoder.change(type, entry, source)),
      bookmark: (revision, initialEventsEnd) => this.#write(this.#encoder.bookmark(revision, initialEventsEnd)),
      end: error => {
        if (error) this.#write(this.#encoder.error(error));
        this.#closed = true;
        this.#outlet?.end();
      },
    };
    this.#watch = await openWatch({ store: target.served.store, hub: target.hub, clock: target.clock }, selection, options, sink);
    if (this.#closed) void this.#watch.dispose();
  }

  start(outlet: FrameOutlet): void {
    if (this.#encoder.stream && this.#early.length) outlet.write(Buffer.concat(this.#early));
    else for (const frame of this.#early) outlet.write(frame);
    this.#early = [];
    this.#outlet = outlet;
    if (this.#closed) outlet.end();
  }

  close(): void {
    this.#closed = true;
    void this.#watch?.dispose();
  }

  #write(frame: Buffer): void {
    if (this.#closed) return;
    if (!this.#outlet) {
      this.#early.push(frame);
      return;
    }
    this.#outlet.write(frame);
    if (this.#outlet.pendingBytes <= backlogLimitBytes) return;
    this.close();
    this.#outlet.cutOff();
  }
}

/** Frames of one watch. What is the same for every watcher is kept in the event. */
class FrameEncoder<T extends KubeObject> {
  readonly contentType: string;
  readonly binary: boolean;
  /** Whether frames follow each other in one stream, so that binary ones need their length before them. */
  readonly stream: boolean;
  readonly #target: WatchTarget<T>;
  readonly #mode: 'whole' | 'table' | 'partial';
  #columnsSent = false;

  constructor(target: WatchTarget<T>, stream: boolean) {
    const { acceptance } = target;
    this.#target = target;
    this.stream = stream;
    this.#mode = acceptance.as === 'Table' ? 'table' : acceptance.as ? 'partial' : 'whole';
    this.binary = acceptance.mediaType === 'application/vnd.kubernetes.protobuf';
    this.contentType = this.binary ? 'application/vnd.kubernetes.protobuf;stream=watch' : 'application/json';
  }

  change(type: ChangeType, entry: StoredObject<T>, source: CacheEvent<T> | undefined): Buffer {
    // A table's first frame alone has its columns.
    if (this.#mode === 'table') return this.#framed(type, this.#table(entry));
    const key = `${type}/${this.#mode}/${this.binary}/${this.stream}/${this.#target.acceptance.version ?? ''}`;
    const known = source?.frames?.get(key);
    if (known) return known;
    const frame = this.#mode === 'partial' ? this.#framed(type, this.#partial(entry.exact)) : this.#whole(type, entry);
    if (source) (source.frames ??= new Map()).set(key, frame);
    return frame;
  }

  #whole(type: ChangeType, entry: StoredObject<T>): Buffer {
    if (this.binary) return this.#binaryFrame(type, protobufOf(this.#target.served, entry));
    return Buffer.concat([jsonHead[type], entry.bytes, jsonTail]);
  }

  #partial(object: Readonly<KubeObject>): KubeObject {
    return partialObject(object, this.#target.acceptance.version!, this.#target.served.definition.versionAnnotations);
  }

  #table(entry: Pick<StoredObject<T>, 'object' | 'resourceVersion'>): object {
    const { served, acceptance, include, clock } = this.#target;
    const columns = !this.#columnsSent;
    this.#columnsSent = true;
    return tableOf(served, [entry], { version: acceptance.version!, include, nowMs: clock.now(), columns });
  }

  /** An object of the kind with nothing but its version. */
  bookmark(revision: number, initialEventsEnd: boolean): Buffer {
    const { served } = this.#target;
    const resourceVersion = String(revision);
    const metadata = { resourceVersion, ...(initialEventsEnd ? { annotations: { [initialEventsEndAnnotation]: 'true' } } : {}) };
    const head = { kind: served.definition.reference.kind, apiVersion: served.apiVersion };
    const object = served.codec.canonicalize({ ...head, metadata }) as T;
    served.definition.fillBookmark?.(object);
    if (this.#mode === 'table') return this.#framed('BOOKMARK', this.#table({ object, resourceVersion }));
    return this.#framed('BOOKMARK', this.#mode === 'partial' ? this.#partial(object) : object);
  }

  error(error: Error): Buffer {
    return this.#framed('ERROR', toStatus(error));
  }

  #framed(type: EventType, object: object): Buffer {
    if (!this.binary) return Buffer.concat([jsonHead[type], Buffer.from(jsonText(object)), jsonTail]);
    return this.#binaryFrame(type, encodeAnyProtobuf(this.#target.served.types, object as KubeObject));
  }

  #binaryFrame(type: EventType, object: Buffer): Buffer {
    const frame = encodeWatchFrame(type, object);
    return this.stream ? frame : frame.subarray(lengthPrefixBytes);
  }
}
