import { CodedError, errorCode, errorText } from '../../base/errors.js';
import type { EventSubject } from '../../client/event-recorder.js';
import type { PullOptions } from '../../contracts/container-runtime.js';
import { formatDuration } from '../../machinery/time.js';
import { BackoffTable } from '../backoff-table.js';
import { interruptible } from '../interruptible.js';
import type { KubeletContext } from '../kubelet-context.js';
import { StartError } from '../runtime/start-error.js';
import { normalizeImageName } from './image-name.js';
import type { PullCredentials } from './pull-credentials.js';
import type { PullRecords } from './pull-records.js';

const initialBackoffMs = 10_000;
const maximumBackoffMs = 300_000;

export interface ImageRequest {
  readonly podUid: string;
  readonly image: string;
  readonly policy: string | undefined;
  /** The container that events are about. */
  readonly subject: EventSubject;
  /** To be tried in turn; none: without. */
  readonly credentials: readonly PullCredentials[];
  readonly options: Pick<PullOptions, 'signal'>;
}

interface SharedPull {
  readonly done: Promise<string>;
  readonly giveUp: AbortController;
  waiting: number;
}

/** Sees to it that a container's image is there, as its pull policy says. Source: pkg/kubelet/images. */
export class ImagePuller {
  readonly #context: KubeletContext;
  readonly #records: PullRecords;
  readonly #backoff: BackoffTable;
  readonly #lastFailures = new Map<string, string>();
  /** Pulls under way, shared by all who want the same image without credentials of their own. */
  readonly #pulling = new Map<string, SharedPull>();

  constructor(context: KubeletContext, records: PullRecords) {
    this.#context = context;
    this.#records = records;
    this.#backoff = new BackoffTable(context.clock, initialBackoffMs, maximumBackoffMs);
  }

  /** Resolves what the runtime calls the image. Rejects a StartError. */
  async ensure(request: ImageRequest): Promise<string> {
    const { recorder, runtime } = this.#context;
    const { image, subject } = request;
    const reference = normalizeImageName(image);
    if (!reference) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
      recorder.event(subject, 'Warning', 'InspectFailed', message);
      throw new StartError('InvalidImageName', message, { event: 'InvalidImageName' });
    }
    const policy = request.policy ?? (reference.endsWith(':latest') ? 'Always' : 'IfNotPresent');
    if (policy !== 'Always') {
      let known;
      try {
        known = await runtime.image(reference);
      } catch (error) {
        const message = `Failed to inspect image "${image}": ${errorText(error)}`;
        recorder.event(subject, 'Warning', 'InspectFailed', message);
        throw new StartError('ImageInspectError', message, { event: 'ImageInspectError', cause: error });
      }
      if (known && !(await this.#records.mustPull(reference, known, request.credentials))) {
        const message = `Container image "${image}" already present on machine and can be accessed by the pod`;
        recorder.event(subject, 'Normal', 'Pulled', message);
        return known.id;
      }
      if (policy === 'Never') {
        const message = `Container image "${image}" is not present with pull policy of Never`;
        recorder.event(subject, 'Warning', 'ErrImageNeverPull', message);
        throw new StartError('ErrImageNeverPull', message, { event: 'ErrImageNeverPull' });
      }
    }
    return this.#pull(request, reference);
  }

  forgetPod(podUid: string): void {
    this.#backoff.forget(`${podUid}_`);
    for (const key of this.#lastFailures.keys()) if (key.startsWith(`${podUid}_`)) this.#lastFailures.delete(key);
  }

  async #pull(request: ImageRequest, reference: string): Promise<string> {
    const { clock, recorder, runtime } = this.#context;
    const { image, subject } = request;
    const key = `${request.podUid}_${image}`;
    const dueMs = this.#backoff.dueSinceUpdate(key);
    if (dueMs !== undefined) {
      const message = `Back-off pulling image "${image}"`;
      recorder.event(subject, 'Normal', 'BackOff', message);
      const last = this.#lastFailures.get(key);
      throw new StartError('ImagePullBackOff', last ? `${message}: ${last}` : message, {
        event: 'ImagePullBackOff',
        retryAtMs: dueMs,
      });
    }
    this.#lastFailures.delete(key);
    recorder.event(subject, 'Normal', 'Pulling', `Pulling image "${image}"`);
    const startedMs = clock.monotonicMs();
    try {
      const id = await this.#recorded(reference, request);
      const duration = formatDuration(BigInt(Math.floor(clock.monotonicMs() - startedMs)) * 1_000_000n);
      const sizeBytes = (await runtime.image(reference))?.sizeBytes ?? 0;
      const message = `Successfully pulled image "${image}" in ${duration} (${duration} including waiting). Image size: ${sizeBytes} bytes.`;
      recorder.event(subject, 'Normal', 'Pulled', message);
      return id;
    } catch (error) {
      // The pod is to end, or the kubelet: nothing is wrong with the image.
      if (request.options.signal?.aborted) throw error;
      const text = errorText(error);
      recorder.event(subject, 'Warning', 'Failed', `Failed to pull image "${image}": ${text}`);
      // Nothing is wrong with the image either: it is tried again as soon as the runtime may be back.
      if (errorCode(error) === 'RUNTIME_UNAVAILABLE') {
        throw new StartError('ErrImagePull', text, { event: 'ErrImagePull', cause: error });
      }
      this.#backoff.next(key, clock.now());
      const unavailable = errorCode(error) === 'RUNTIME_REGISTRY_UNAVAILABLE';
      const reason = unavailable ? 'RegistryUnavailable' : 'ErrImagePull';
      const message = unavailable ? `image pull failed for ${image} because the registry is unavailable: ${text}` : text;
      this.#lastFailures.set(key, `${reason}: ${message}`);
      throw new StartError(reason, message, { event: reason, cause: error, retryAtMs: clock.now() + initialBackoffMs / 2 });
    }
  }

  async #recorded(reference: string, { credentials, options }: ImageRequest): Promise<string> {
    await this.#records.begin(reference);
    let pulled: { readonly imageId: string; readonly with: PullCredentials | undefined } | undefined;
    try {
      pulled = await this.#pullWithAny(reference, credentials, options);
      return pulled.imageId;
    } finally {
      await this.#records.end(reference, pulled);
    }
  }

  async #pullWithAny(reference: string, credentials: readonly PullCredentials[], options: Pick<PullOptions, 'signal'>) {
    if (credentials.length === 0) return { imageId: await this.#shared(reference, options), with: undefined };
    const errors: unknown[] = [];
    for (const own of credentials) {
      try {
        const imageId = await this.#context.runtime.pullImage(reference, { ...options, auth: own.auth });
        return { imageId, with: own };
      } catch (error) {
        if (options.signal?.aborted) throw error;
        errors.push(error);
      }
    }
    const texts = [...new Set(errors.map(errorText))];
    if (texts.length === 1) throw errors[0];
    throw new CodedError(errorCode(errors[0]) ?? 'RUNTIME_FAILED', `[${texts.join(', ')}]`, {
      cause: new AggregateError(errors),
    });
  }

  /** It is given up when all who want it have left: one that is deleted takes nothing from the others. */
  async #shared(reference: string, { signal }: Pick<PullOptions, 'signal'>): Promise<string> {
    let pull = this.#pulling.get(reference);
    if (!pull) {
      const giveUp = new AbortController();
      pull = { done: this.#context.runtime.pullImage(reference, { signal: giveUp.signal }), giveUp, waiting: 0 };
      this.#pulling.set(reference, pull);
    }
    pull.waiting++;
    try {
      return await interruptible(pull.done, signal);
    } finally {
      pull.waiting--;
      if (pull.waiting === 0) {
        this.#pulling.delete(reference);
        pull.giveUp.abort();
      }
    }
  }
}
