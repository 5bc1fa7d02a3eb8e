/** Why a container could not be started: the waiting state's reason and message. */
export interface StartFailure {
  readonly reason: string;
  readonly message: string;
}

/** The last start failure of each container, until it starts. */
export class ReasonCache {
  readonly #pods = new Map<string, Map<string, StartFailure>>();

  get(podUid: string, container: string): StartFailure | undefined {
    return this.#pods.get(podUid)?.get(container);
  }

  set(podUid: string, container: string, failure: StartFailure | undefined): void {
    let failures = this.#pods.get(podUid);
    if (!failure) {
      failures?.delete(container);
      return;
    }
    if (!failures) this.#pods.set(podUid, (failures = new Map()));
    failures.set(container, failure);
  }

  remove(podUid: string): void {
    this.#pods.delete(podUid);
  }
}
