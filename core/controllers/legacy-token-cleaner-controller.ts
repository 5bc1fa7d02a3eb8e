import { ConfigMaps, Pods, Secrets, ServiceAccounts } from '../api/generated/resources.js';
import type { Pod, Secret, ServiceAccount } from '../api/generated/types.js';
import { dayMs, dayOf, invalidSinceLabel, lastUsedLabel, startOfDay, trackingConfigMap } from '../api/legacy-tokens.js';
import { podReferences } from '../api/object-references.js';
import { parseTime } from '../api/time.js';
import type { Informer } from '../client/informer-types.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

const tokenType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';
const roundKey = 'round';
const cleanUpMs = 365 * dayMs;

/**
 * Once a day: tokens that an old cluster made by itself and nobody has used for a year are refused from then on, and deleted after
 * another year. Those that somebody made by hand stay. Source: pkg/controller/serviceaccount legacy_serviceaccount_token_cleaner.
 */
class LegacyTokenCleaner extends Reconciler {
  readonly #secrets: Informer<Secret>;
  readonly #accounts: Informer<ServiceAccount>;
  readonly #pods: Informer<Pod>;
  readonly #cleanUpMs: number;

  constructor(context: ControllerContext) {
    super(context, { name: legacyTokenCleanerController.name, workers: 1 });
    this.#secrets = context.informers.informer(Secrets, { fieldSelector: `type=${tokenType}` });
    this.#accounts = context.informers.informer(ServiceAccounts);
    this.#pods = context.informers.informer(Pods);
    this.#cleanUpMs = context.environment.tuning?.legacyTokenCleanUpMs ?? cleanUpMs;
  }

  protected override register(): void {
    for (const informer of [this.#secrets, this.#accounts, this.#pods]) this.watch<unknown>(informer);
    this.queue.add(roundKey);
  }

  protected override async sync(): Promise<void> {
    const nowMs = this.context.clock.now();
    const { namespace, name, key } = trackingConfigMap;
    const tracking = await this.context.client.resource(ConfigMaps, namespace).get(name);
    const since = startOfDay(tracking.data?.[key]);
    if (since === undefined) throw new Error(`ConfigMap ${namespace}/${name} tells no day under "${key}"`);
    // Uses were noted from some time of that day on: the next one is the first to be sure of.
    if (nowMs >= since + dayMs + this.#cleanUpMs) {
      for (const secret of this.#unused(nowMs)) await this.#clean(secret, nowMs);
    }
    this.queue.addAfter(roundKey, dayMs);
  }

  #unused(nowMs: number): Secret[] {
    const mounted = new Map<string, ReadonlySet<string>>();
    const isMounted = (namespace: string, name: string): boolean => {
      if (!mounted.has(namespace)) {
        mounted.set(namespace, new Set(this.#pods.list(namespace).flatMap(pod => [...podReferences(pod).secrets])));
      }
      return mounted.get(namespace)!.has(name);
    };
    return this.#secrets.list().filter(secret => {
      const { namespace = '', name = '', creationTimestamp, deletionTimestamp, labels } = secret.metadata;
      const createdMs = parseTime(creationTimestamp) ?? nowMs;
      if (deletionTimestamp || createdMs >= nowMs - this.#cleanUpMs) return false;
      const lastUsed = labels?.[lastUsedLabel];
      if (lastUsed !== undefined && !this.#isLongAgo(lastUsed, nowMs)) return false;
      return this.#isGenerated(secret) && !isMounted(namespace, name);
    });
  }

  /** False also for what is no day: what nobody understands is kept. */
  #isLongAgo(day: string, nowMs: number): boolean {
    return startOfDay(day) !== undefined && day < dayOf(nowMs - this.#cleanUpMs);
  }

  /** Its account lists it, as the cluster's own controllers did once. */
  #isGenerated({ metadata: { namespace = '', name, annotations } }: Secret): boolean {
    const account = this.#accounts.get(namespace, annotations?.[nameAnnotation] ?? '');
    const uid = annotations?.[uidAnnotation];
    if (!account || (uid && account.metadata.uid !== uid)) return false;
    return account.secrets?.some(reference => reference.name === name) ?? false;
  }

  async #clean({ metadata }: Secret, nowMs: number): Promise<void> {
    const { client, logger } = this.context;
    const { namespace = '', name = '', uid, resourceVersion, labels } = metadata;
    const secrets = client.resource(Secrets, namespace);
    const invalidSince = labels?.[invalidSinceLabel];
    try {
      if (startOfDay(invalidSince) === undefined) {
        logger.info('a service account token that nobody uses is no longer taken', { namespace, name });
        await secrets.patch(name, 'merge', { metadata: { uid, labels: { [invalidSinceLabel]: dayOf(nowMs) } } });
      } else if (this.#isLongAgo(invalidSince!, nowMs)) {
        logger.info('a service account token that nobody uses is deleted', { namespace, name, invalidSince });
        await secrets.delete(name, { preconditions: { resourceVersion } });
      }
    } catch (error) {
      if (!isStatusError(error, 'NotFound', 'Conflict')) {
        logger.warn('an unused service account token could not be cleaned up', { namespace, name, error });
      }
    }
  }
}

export const legacyTokenCleanerController: ControllerDescriptor = {
  name: 'legacy-serviceaccount-token-cleaner-controller',
  serviceAccount: 'legacy-service-account-token-cleaner',
  create: context => new LegacyTokenCleaner(context),
};
