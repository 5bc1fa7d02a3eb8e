/** Why a container did not start, as its waiting state and its `Failed` event say it. */
export class StartError extends Error {
  /** `ErrImagePull`, `CreateContainerConfigError` ... */
  readonly reason: string;
  /** What the container's `Failed` event says after `Error: `; none when undefined. */
  readonly event: string | undefined;
  /** When to try again; undefined: after the usual wait. */
  readonly retryAtMs: number | undefined;

  constructor(reason: string, message: string, options: { event?: string; retryAtMs?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StartError';
    this.reason = reason;
    this.event = options.event;
    this.retryAtMs = options.retryAtMs;
  }
}
