import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ImageState } from '../../contracts/container-runtime.js';
import { isJsonObject } from '../../machinery/object.js';
import type { PullCredentials } from './pull-credentials.js';

export interface PullRecordsOptions {
  /** Undefined: nothing is kept over restarts. */
  readonly directory: string | undefined;
  readonly logger: Logger;
}

/** With what an image was pulled under one name. Only a hash of the secret's words is kept. */
interface Access {
  readonly anyone: boolean;
  readonly secrets: readonly { readonly uid: string; readonly hash: string }[];
}

interface ImageRecord {
  readonly imageId: string;
  /** By the image's name without tag and digest. */
  readonly names: Readonly<Record<string, Access>>;
}

/** Secrets of one image that are remembered. */
const secretLimit = 100;

/**
 * Who may use an image that is here: one that was pulled with a secret is for pods with that secret, others have to pull it to show
 * that they may. What was here before (imported archives) is for all. Source: pkg/kubelet/images/pullmanager, with its policy
 * NeverVerifyPreloadedImages.
 */
export class PullRecords {
  readonly #options: PullRecordsOptions;
  readonly #records = new Map<string, ImageRecord>();
  /** Pulls whose end was not recorded: such an image is not one that was here before. */
  readonly #intents = new Map<string, number>();
  #loading: Promise<void> | undefined;
  /** Files are written in the order of the changes that they hold. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: PullRecordsOptions) {
    this.#options = options;
  }

  /**
   * Whether a pod with these credentials has to pull an image that is here. `reference` is the image's name in full. A pull that failed or
   * was cut does not keep anybody from one that is pinned: whoever runs the node has put it there since.
   */
  async mustPull(
    reference: string,
    image: Pick<ImageState, 'id' | 'pinned'>,
    credentials: readonly PullCredentials[],
  ): Promise<boolean> {
    await this.#load();
    const { id: imageId } = image;
    const record = this.#records.get(imageId);
    if (!record) return !image.pinned && this.#intents.has(reference);
    const access = Object.hasOwn(record.names, withoutTag(reference)) ? record.names[withoutTag(reference)] : undefined;
    if (!access) return true;
    if (access.anyone) return false;
    const { secrets } = access;
    const match = credentials.find(own => secrets.some(({ uid, hash }) => uid === own.secretUid || hash === own.hash));
    if (!match) return true;
    await this.#add(reference, imageId, match);
    return false;
  }

  /** Before a pull. */
  async begin(reference: string): Promise<void> {
    await this.#load();
    this.#intents.set(reference, (this.#intents.get(reference) ?? 0) + 1);
    try {
      await this.#write('pulling', reference, { reference });
    } catch (error) {
      // Nothing is pulled then. An intent that stayed would keep everybody from an image that comes by another way.
      await this.#forget(reference);
      throw error;
    }
  }

  /** After it; with nothing, it has failed. Without credentials the image is for all. */
  async end(reference: string, pulled?: { readonly imageId: string; readonly with: PullCredentials | undefined }): Promise<void> {
    try {
      if (pulled) await this.#add(reference, pulled.imageId, pulled.with);
    } catch (error) {
      // The image is here, and the intent that stays says that it was pulled.
      this.#options.logger.warn('the pull of an image could not be recorded', { image: reference, error });
      return;
    }
    await this.#forget(reference);
  }

  /** Forgets images that are not here any more. */
  async prune(imageIds: ReadonlySet<string>): Promise<void> {
    await this.#load();
    for (const id of this.#records.keys()) {
      if (imageIds.has(id)) continue;
      this.#records.delete(id);
      await this.#remove('pulled', id);
    }
  }

  async #forget(reference: string): Promise<void> {
    const others = (this.#intents.get(reference) ?? 1) - 1;
    if (others > 0) return void this.#intents.set(reference, others);
    this.#intents.delete(reference);
    await this.#remove('pulling', reference);
  }

  async #add(reference: string, imageId: string, credentials: PullCredentials | undefined): Promise<void> {
    const name = withoutTag(reference);
    const record = this.#records.get(imageId) ?? { imageId, names: {} };
    const before = Object.hasOwn(record.names, name) ? record.names[name] : undefined;
    if (before?.anyone) return;
    const secrets = before?.secrets ?? [];
    let next: Access = { anyone: true, secrets: [] };
    if (credentials) {
      const { secretUid: uid, hash } = credentials;
      if (secrets.some(own => own.uid === uid && own.hash === hash)) return;
      next = { anyone: false, secrets: [...secrets.filter(own => own.uid !== uid), { uid, hash }].slice(-secretLimit) };
    }
    const changed = { imageId, names: { ...record.names, [name]: next } };
    this.#records.set(imageId, changed);
    await this.#write('pulled', imageId, changed);
  }

  #load(): Promise<void> {
    this.#loading ??= this.#read().catch(error => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #read(): Promise<void> {
    for (const value of await this.#files('pulled')) {
      const { imageId, names } = value as Partial<ImageRecord>;
      if (typeof imageId === 'string' && isJsonObject(names)) this.#records.set(imageId, value as unknown as ImageRecord);
    }
    for (const { reference } of await this.#files('pulling')) if (typeof reference === 'string') this.#intents.set(reference, 0);
  }

  async #files(kind: 'pulled' | 'pulling'): Promise<Record<string, unknown>[]> {
    const { directory, logger } = this.#options;
    if (directory === undefined) return [];
    let names: string[];
    try {
      names = await readdir(join(directory, kind));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
    const values: Record<string, unknown>[] = [];
    for (const name of names.filter(own => own.endsWith('.json'))) {
      try {
        const value: unknown = JSON.parse(await readFile(join(directory, kind, name), 'utf8'));
        if (isJsonObject(value)) values.push(value);
      } catch (error) {
        logger.warn('a record of a pulled image cannot be read', { file: join(directory, kind, name), error });
      }
    }
    return values;
  }

  #write(kind: 'pulled' | 'pulling', key: string, value: object): Promise<void> {
    return this.#inTurn(async directory => {
      await mkdir(join(directory, kind), { recursive: true, mode: 0o700 });
      const file = join(directory, kind, fileName(key));
      await writeFile(`${file}.tmp`, JSON.stringify(value), { mode: 0o600 });
      await rename(`${file}.tmp`, file);
    });
  }

  #remove(kind: 'pulled' | 'pulling', key: string): Promise<void> {
    return this.#inTurn(directory => rm(join(directory, kind, fileName(key)), { force: true }));
  }

  #inTurn(change: (directory: string) => Promise<void>): Promise<void> {
    const { directory } = this.#options;
    if (directory === undefined) return Promise.resolve();
    const done = this.#writing.then(() => change(directory));
    this.#writing = done.catch(() => undefined);
    return done;
  }
}

function fileName(key: string): string {
  return `${createHash('sha256').update(key).digest('hex')}.json`;
}

/** `docker.io/library/nginx:1@sha256:...` is `docker.io/library/nginx`. */
function withoutTag(reference: string): string {
  const [name = ''] = reference.split('@');
  return name.replace(/:[^:/]*$/, '');
}
