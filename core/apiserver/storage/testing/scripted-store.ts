import type { Datastore, DatastoreEvent, KeyValue, WatchListener } from '../../../contracts/datastore.js';
import { registryPrefix } from '../storage-hub.js';

/** As much of a datastore as the hub and watches read; its watch ends and its lists wait when the test says so. */
export class ScriptedStore {
  readonly values = new Map<string, KeyValue>();
  readonly events: DatastoreEvent[] = [];
  revision = 1;
  /** Called before a watch of one resource is told of the past. */
  onReplay: () => void = () => undefined;
  listener: WatchListener | undefined;
  gate: Promise<void> | undefined;

  put(key: string, text?: string): void {
    const name = key.split('/').at(-1)!;
    const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name, namespace: key.split('/')[3], uid: name } };
    const value = Buffer.from(text ?? JSON.stringify(object));
    const modRevision = ++this.revision;
    this.values.set(key, { key, value, createRevision: modRevision, modRevision });
    this.#tell({ type: 'put', key, revision: modRevision, value, createRevision: modRevision });
  }

  remove(key: string): void {
    const { value } = this.values.get(key)!;
    this.values.delete(key);
    this.#tell({ type: 'delete', key, revision: ++this.revision, previousValue: value });
  }

  #tell(event: DatastoreEvent): void {
    this.events.push(event);
    this.listener?.batch([event], event.revision);
  }

  break(): void {
    const { listener } = this;
    this.listener = undefined;
    listener!.end(new Error('the connection was lost'));
  }

  get asDatastore(): Datastore {
    return {
      currentRevision: async () => this.revision,
      list: async (prefix: string) => {
        await this.gate;
        const items = [...this.values.values()].filter(({ key }) => key.startsWith(prefix));
        return { revision: this.revision, items, more: false };
      },
      watch: (prefix: string, after: number, listener: WatchListener) => {
        if (prefix !== registryPrefix) {
          queueMicrotask(() => {
            const past = this.events.filter(({ key, revision }) => revision > after && key.startsWith(prefix));
            const { revision } = this;
            this.onReplay();
            listener.batch(past, revision);
          });
          return { dispose: () => undefined };
        }
        this.listener = listener;
        return { dispose: () => void (this.listener = undefined) };
      },
      requestProgress: () => undefined,
    } as unknown as Datastore;
  }
}
