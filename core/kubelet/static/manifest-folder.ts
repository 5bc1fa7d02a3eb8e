import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../base/errors.js';
import { formatTime } from '../../api/time.js';
import type { Pod } from '../../api/generated/types.js';
import type { KubeletContext } from '../kubelet-context.js';
import { podText } from '../kubelet-context.js';
import { staticPod } from './static-pod.js';

interface Manifest {
  readonly text: string;
  /** What the file last gave that could be used. */
  readonly pod: Pod | undefined;
}

export type ManifestFolderContext = Pick<KubeletContext, 'clock' | 'logger' | 'recorder'> & {
  readonly settings: Pick<KubeletContext['settings'], 'nodeName'>;
};

/** The manifests of static pods: a file that cannot be used is told of once, and goes on giving the pod that it gave before. */
export class ManifestFolder {
  readonly #context: ManifestFolderContext;
  readonly #directory: string;
  #manifests = new Map<string, Manifest>();
  /** Uids of pods that were told of because another has their name. */
  readonly #doubles = new Set<string>();

  constructor(context: ManifestFolderContext, directory: string) {
    this.#context = context;
    this.#directory = directory;
  }

  /** The pods of all files, by `namespace/name`. Rejects when the folder cannot be read. */
  async read(): Promise<Map<string, Pod>> {
    const entries = await readdir(this.#directory, { withFileTypes: true });
    const files = entries.filter(entry => !entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
    const manifests = new Map<string, Manifest>();
    const pods = new Map<string, Pod>();
    for (const file of files.sort()) {
      const manifest = await this.#readFile(file, this.#manifests.get(file));
      if (!manifest) continue;
      manifests.set(file, manifest);
      if (!manifest.pod) continue;
      const key = podKey(manifest.pod);
      if (pods.has(key)) this.#tellOfDouble(manifest.pod);
      else pods.set(key, manifest.pod);
    }
    this.#manifests = manifests;
    return pods;
  }

  async #readFile(file: string, known: Manifest | undefined): Promise<Manifest | undefined> {
    const { clock, logger, settings } = this.#context;
    // Of a file that cannot be read: no text is the same.
    let text = `\0${file}`;
    try {
      text = await readFile(join(this.#directory, file), 'utf8');
      if (known?.text === text) return known;
      const source = { nodeName: settings.nodeName, file, seenTime: formatTime(clock.now()) };
      const pod = await staticPod(text, source);
      return { text, pod: pod.metadata.uid === known?.pod?.metadata.uid ? known!.pod : pod };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      if (known?.text !== text) logger.warn('a manifest of a static pod cannot be used', { file, error });
      return { text, pod: known?.pod };
    }
  }

  #tellOfDouble(pod: Pod): void {
    const { name, uid = '' } = pod.metadata;
    if (this.#doubles.has(uid)) return;
    this.#doubles.add(uid);
    const message = `Error validating pod ${podText(pod)} from file due to duplicate pod name "${name}", ignoring`;
    this.#context.recorder.event(pod, 'Warning', 'FailedValidation', message);
    this.#context.logger.warn('two manifests of static pods have the same name', { pod: podText(pod) });
  }
}

/** Names a pod among all others. */
export function podKey({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`;
}
