import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What holds the data. Every method is called again after a crash or a lost answer, so twice must be safe. */
export class SharedFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Where the data of a volume is, for the nodes. `volumeName` is `pvc-` and a uid: it cannot lead elsewhere. */
  pathOf(volumeName: string): string {
    return join(this.#path, volumeName);
  }

  async make(volumeName: string): Promise<void> {
    // Who may enter the folder above may see the volumes of all namespaces.
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    const path = this.pathOf(volumeName);
    await mkdir(path, { recursive: true });
    // Containers run as any user.
    await chmod(path, 0o777);
  }

  async remove(volumeName: string): Promise<void> {
    await rm(this.pathOf(volumeName), { recursive: true, force: true });
  }
}
