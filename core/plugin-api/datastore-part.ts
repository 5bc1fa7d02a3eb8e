import { inject, injectable } from 'inversify';
import { Datastore } from '../contracts/datastore.js';
import type { Part } from '../contracts/part.js';

const probeKey = '/k3s/health';

/** Makes a part of any datastore: `bind(Part).to(DatastorePart)` beside `bind(Datastore)`. Ready means written and read back. */
@injectable()
export class DatastorePart implements Part {
  readonly #datastore: Datastore;

  constructor(@inject(Datastore) datastore: Datastore) {
    this.#datastore = datastore;
  }

  start(): Promise<void> {
    return this.#datastore.open();
  }

  async ready(): Promise<void> {
    const value = Buffer.from(new Date().toISOString());
    const before = await this.#datastore.get(probeKey);
    if (before) await this.#datastore.update(probeKey, value, before.modRevision);
    else await this.#datastore.create(probeKey, value);
  }

  stop(): Promise<void> {
    return this.#datastore.close();
  }
}
