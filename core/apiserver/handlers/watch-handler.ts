import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import type { KubeObject } from '../../machinery/object.js';
import { encodeWatchFrame } from '../../machinery/codec/protobuf.js';
import { toStatus } from '../../machinery/status-error.js';
import type { Selection } from '../registry/selection.js';
import type { CacheEvent } from '../storage/resource-cache.js';
import type { StorageHub } from '../storage/storage-hub.js';
import type { StoredObject } from '../storage/stored-object.js';
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

const jsonHead: Record<ChangeType | 'BOOKMARK' | 'ERROR', Buffer> = {
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

/** Serves a watch as a stream of frames until the client leaves, the time is over or the client is too slow. */
export async function serveWatch<T extends KubeObject>(
  target: WatchTarget<T>,
  selection: Selection,
  options: WatchOptions,
  exchange: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const { request, response } = exchange;
  const encoder = new FrameEncoder(target);
  let watch: Disposable | undefined;
  let closed = false;
  let started = false;
  let early: Buffer[] = [];
  const close = (): void => {
    closed = true;
    void watch?.dispose();
  };
  const write = (frame: Buffer): void => {
    if (closed) return;
    if (!started) {
      early.push(frame);
      return;
    }
    response.write(frame);
    if (response.writableLength > backlogLimitBytes) {
      close();
      response.destroy();
    }
  };
  const sink: WatchSink<T> = {
    change: (type, entry, source) => write(encoder.change(type, entry, source)),
    bookmark: (revision, initialEventsEnd) => write(encoder.bookmark(revision, initialEventsEnd)),
    end: error => {
      if (error) write(encoder.error(error));
      closed = true;
      if (started) response.end();
    },
  };
  response.on('close', close);
  watch = await openWatch({ store: target.served.store, hub: target.hub, clock: target.clock }, selection, options, sink);
  if (response.destroyed) {
    close();
    return;
  }
  response.setHeader('Content-Type', encoder.contentType);
  response.setHeader('Cache-Control', 'no-cache, private');
  response.writeHead(200);
  started = true;
  response.flushHeaders();
  if (early.length) response.write(early.length === 1 ? early[0]! : Buffer.concat(early));
  early = [];
  if (closed) {
    response.end();
    return;
  }
  // An aborted HTTP/1.1 request closes its response; nothing more to do here but wait for that.
  request.on('aborted', close);
}

/** Frames of one watch. What is the same for every watcher is kept in the event. */
class FrameEncoder<T extends KubeObject> {
  readonly contentType: string;
  readonly #target: WatchTarget<T>;
  readonly #mode: 'json' | 'protobuf' | 'table' | 'partial';
  #columnsSent = false;

  constructor(target: WatchTarget<T>) {
    const { acceptance } = target;
    this.#target = target;
    this.#mode =
      acceptance.as === 'Table'
        ? 'table'
        : acceptance.as
          ? 'partial'
          : acceptance.mediaType === 'application/vnd.kubernetes.protobuf'
            ? 'protobuf'
            : 'json';
    this.contentType = this.#mode === 'protobuf' ? 'application/vnd.kubernetes.protobuf;stream=watch' : 'application/json';
  }

  change(type: ChangeType, entry: StoredObject<T>, source: CacheEvent<T> | undefined): Buffer {
    if (this.#mode === 'table') return this.#encode(type, entry, source);
    const key = `${type}/${this.#mode}/${this.#target.acceptance.version ?? ''}`;
    const known = source?.frames?.get(key);
    if (known) return known;
    const frame = this.#encode(type, entry, source);
    if (source) (source.frames ??= new Map()).set(key, frame);
    return frame;
  }

  #encode(type: ChangeType, entry: StoredObject<T>, _source: CacheEvent<T> | undefined): Buffer {
    const { served, acceptance, include, clock } = this.#target;
    switch (this.#mode) {
      case 'json':
        return Buffer.concat([jsonHead[type], entry.bytes, jsonTail]);
      case 'protobuf':
        return encodeWatchFrame(type, protobufOf(served, entry));
      case 'partial':
        return jsonFrame(type, partialObject(entry.object, acceptance.version!));
      case 'table': {
        const columns = !this.#columnsSent;
        this.#columnsSent = true;
        return jsonFrame(type, tableOf(served, [entry], { version: acceptance.version!, include, nowMs: clock.now(), columns }));
      }
    }
  }

  bookmark(revision: number, initialEventsEnd: boolean): Buffer {
    const { served, acceptance } = this.#target;
    const metadata = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(initialEventsEnd ? { annotations: { [initialEventsEndAnnotation]: 'true' } } : {}),
    };
    const object = { kind: served.definition.reference.kind, apiVersion: served.apiVersion, metadata } as unknown as KubeObject;
    switch (this.#mode) {
      case 'protobuf':
        return encodeWatchFrame('BOOKMARK', encodeAnyProtobuf(served.types, object));
      case 'partial':
        return jsonFrame('BOOKMARK', partialObject(object, acceptance.version!));
      case 'table': {
        const columnDefinitions = this.#columnsSent ? null : [];
        return jsonFrame('BOOKMARK', {
          kind: 'Table',
          apiVersion: `meta.k8s.io/${acceptance.version}`,
          metadata: { resourceVersion: String(revision) },
          columnDefinitions,
          rows: [{ cells: [], object: partialObject(object, acceptance.version!) }],
        });
      }
      case 'json':
        return jsonFrame('BOOKMARK', object);
    }
  }

  error(error: Error): Buffer {
    const status = toStatus(error);
    if (this.#mode === 'protobuf') return encodeWatchFrame('ERROR', encodeAnyProtobuf(this.#target.served.types, status));
    return jsonFrame('ERROR', status);
  }
}

function jsonFrame(type: keyof typeof jsonHead, object: object): Buffer {
  return Buffer.concat([jsonHead[type], Buffer.from(JSON.stringify(object)), jsonTail]);
}
