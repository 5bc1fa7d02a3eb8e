import { ConfigMaps, Secrets } from '../api/generated/resources.js';
import type { ConfigMap } from '../api/generated/types.js';
import { dayOf, lastUsedLabel, startOfDay, trackingConfigMap } from '../api/legacy-tokens.js';
import type { Logger } from '../base/logger.js';
import type { ApiTransport } from '../contracts/api-transport.js';
import type { ObjectMeta } from '../machinery/object.js';
import { produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import { apiServerIdentity } from './bootstrap.js';

const caller = { caller: apiServerIdentity, userAgent: 'kube-apiserver' };

/** The note since when uses are tracked: made when it is missing or unreadable. Source: pkg/controlplane/controller/legacytokentracking. */
export async function ensureTokenTracking(transport: ApiTransport, nowMs: number): Promise<void> {
  const { namespace, name, key } = trackingConfigMap;
  const call = { ...caller, resource: ConfigMaps, namespace, name };
  const today = dayOf(nowMs);
  let found: ConfigMap;
  try {
    found = await transport.get<ConfigMap>(call);
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name }, data: { [key]: today } };
    await transport.create<ConfigMap>({ ...call, object: object as unknown as ConfigMap });
    return;
  }
  if (startOfDay(found.data?.[key]) !== undefined) return;
  const object = produce(found, draft => void (draft.data = { ...draft.data, [key]: today }));
  await transport.update<ConfigMap>({ ...call, object });
}

/** Notes on a Secret when its token was used last. Source: pkg/serviceaccount/legacy.go patchSecretWithLastUsedDate. */
export class LegacyTokenUses {
  readonly #transport: () => ApiTransport;
  readonly #logger: Logger;
  /** By uid: many requests may come with one token before the first has noted it. */
  readonly #pending = new Map<string, Promise<void>>();

  constructor(transport: () => ApiTransport, logger: Logger) {
    this.#transport = transport;
    this.#logger = logger;
  }

  /** Never rejects: a token is not worse because its use could not be noted. */
  note({ namespace, name, uid = '' }: ObjectMeta, day: string): Promise<void> {
    const before = this.#pending.get(uid);
    if (before) return before;
    const patch = { metadata: { uid, labels: { [lastUsedLabel]: day } } };
    const noted = this.#transport()
      .patch({ ...caller, resource: Secrets, namespace, name: name ?? '', type: 'merge', patch })
      .then(
        () => undefined,
        (error: unknown) => this.#logger.warn('the use of a token could not be noted on its secret', { namespace, name, error }),
      )
      .finally(() => this.#pending.delete(uid));
    this.#pending.set(uid, noted);
    return noted;
  }
}
