import { CodedError } from '../../base/errors.js';
import { ConfigMaps, Secrets, ServiceAccounts } from '../../api/generated/resources.js';
import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  ServiceAccountTokenProjection,
  TokenRequest,
  Volume,
} from '../../api/generated/types.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { KubeletContext } from '../kubelet-context.js';
import type { DownwardInput } from '../runtime/downward.js';
import { downwardField, downwardResource } from '../runtime/downward.js';
import type { VolumeFile } from './atomic-writer.js';
import { keyMissing } from './reference-volume-manager.js';
import type { ReferencedObjects } from './referenced-objects.js';

export interface VolumeContentOptions {
  readonly context: KubeletContext;
  readonly objects: ReferencedObjects;
  readonly downward: (pod: Pod) => DownwardInput;
}

interface KnownToken {
  readonly token: string;
  readonly expiresAtMs: number;
  /** When it is asked for anew. */
  refreshAtMs: number;
}

const defaultMode = 0o644;
/** A token is asked for anew when this share of its life is over, or after a day. Source: pkg/kubelet/token. */
const refreshShare = 0.8;
const longestTokenUseMs = 24 * 3600_000;
/** The API gave none. */
const tokenRetryMs = 60_000;

type Files = Map<string, VolumeFile>;

/** The files of volumes that are made of API objects: configMap, secret, downwardAPI, projected. */
export class VolumeContent {
  readonly #options: VolumeContentOptions;
  readonly #tokens = new Map<string, KnownToken>();

  constructor(options: VolumeContentOptions) {
    this.#options = options;
  }

  /** None for volumes of other kinds. Rejects what is missing, with upstream's texts. */
  async files(pod: Pod, volume: Volume): Promise<Files> {
    const { configMap, secret, downwardAPI, projected } = volume;
    const files: Files = new Map();
    if (configMap) {
      await this.#configMap(pod, configMap.name ?? '', configMap, configMap.defaultMode ?? defaultMode, files);
    } else if (secret) {
      await this.#secret(pod, secret.secretName ?? '', secret, secret.defaultMode ?? defaultMode, files);
    } else if (downwardAPI) {
      this.#downward(pod, downwardAPI.items ?? [], downwardAPI.defaultMode ?? defaultMode, files);
    } else if (projected) {
      const mode = projected.defaultMode ?? defaultMode;
      for (const source of projected.sources ?? []) {
        if (source.configMap) await this.#configMap(pod, source.configMap.name ?? '', source.configMap, mode, files);
        if (source.secret) await this.#secret(pod, source.secret.name ?? '', source.secret, mode, files);
        if (source.downwardAPI) this.#downward(pod, source.downwardAPI.items ?? [], mode, files);
        if (source.serviceAccountToken) await this.#token(pod, source.serviceAccountToken, mode, files);
        const unsupported = source.clusterTrustBundle
          ? 'clusterTrustBundle'
          : source.podCertificate
            ? 'podCertificate'
            : undefined;
        if (unsupported) throw new CodedError('VOLUME_UNSUPPORTED', `projected sources of kind ${unsupported} are not supported`);
      }
    }
    return files;
  }

  /** When the earliest token of a pod has to be renewed; undefined without tokens. */
  refreshAtMs(podUid: string): number | undefined {
    let earliest: number | undefined;
    for (const [key, { refreshAtMs }] of this.#tokens) {
      if (key.startsWith(`${podUid}/`) && (earliest === undefined || refreshAtMs < earliest)) earliest = refreshAtMs;
    }
    return earliest;
  }

  forget(podUid: string): void {
    for (const key of this.#tokens.keys()) if (key.startsWith(`${podUid}/`)) this.#tokens.delete(key);
  }

  async #configMap(pod: Pod, name: string, source: Selected, mode: number, files: Files): Promise<void> {
    const object = await this.#optional<ConfigMap>(ConfigMaps, pod, name, source.optional ?? false);
    if (!object) return;
    const data = new Map<string, Uint8Array>();
    for (const [key, value] of Object.entries(object.data ?? {})) data.set(key, Buffer.from(value));
    for (const [key, value] of Object.entries(object.binaryData ?? {})) data.set(key, Buffer.from(value, 'base64'));
    select(data, source, { mode, kind: 'ConfigMap' }, files);
  }

  async #secret(pod: Pod, name: string, source: Selected, mode: number, files: Files): Promise<void> {
    const object = await this.#optional<Secret>(Secrets, pod, name, source.optional ?? false);
    if (!object) return;
    const data = new Map(Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const));
    select(data, source, { mode, kind: 'Secret' }, files);
  }

  async #optional<T>(
    resource: typeof ConfigMaps | typeof Secrets,
    pod: Pod,
    name: string,
    optional: boolean,
  ): Promise<T | undefined> {
    try {
      return (await this.#options.objects.get(resource as typeof ConfigMaps, pod.metadata.namespace ?? '', name)) as T;
    } catch (error) {
      if (optional && isStatusError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #downward(pod: Pod, items: readonly DownwardAPIVolumeFile[], mode: number, files: Files): void {
    const input = this.#options.downward(pod);
    for (const item of items) {
      const { fieldRef, resourceFieldRef } = item;
      let text = '';
      if (fieldRef) text = downwardField(fieldRef, input);
      else if (resourceFieldRef) {
        const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
        const container = all.find(({ name }) => name === resourceFieldRef.containerName);
        if (!container) throw new CodedError('DOWNWARD_FIELD', `container ${resourceFieldRef.containerName ?? ''} not found`);
        text = downwardResource(resourceFieldRef, container, input);
      }
      files.set(item.path, { content: Buffer.from(text), mode: item.mode ?? mode });
    }
  }

  async #token(pod: Pod, source: ServiceAccountTokenProjection, mode: number, files: Files): Promise<void> {
    const { securityContext } = pod.spec;
    const user = commonUser(pod);
    const narrow = user !== undefined || securityContext?.fsGroup !== undefined;
    const content = Buffer.from(await this.#tokenFor(pod, source));
    files.set(source.path, { content, mode: narrow ? 0o600 : mode, userId: user });
  }

  async #tokenFor(pod: Pod, { audience, expirationSeconds = 3600 }: ServiceAccountTokenProjection): Promise<string> {
    const { client, clock } = this.#options.context;
    const { uid = '', namespace = '', name = '' } = pod.metadata;
    const key = `${uid}/${audience ?? ''}/${expirationSeconds}`;
    const nowMs = clock.now();
    const known = this.#tokens.get(key);
    if (known && nowMs < known.refreshAtMs) return known.token;
    const account = pod.spec.serviceAccountName || 'default';
    let granted: TokenRequest;
    try {
      granted = await client
        .resource(ServiceAccounts, namespace)
        .subresource<TokenRequest>('token')
        .create(
          {
            apiVersion: 'authentication.k8s.io/v1',
            kind: 'TokenRequest',
            metadata: {},
            spec: {
              audiences: audience ? [audience] : [],
              expirationSeconds,
              boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
            },
          } as TokenRequest,
          { name: account },
        );
    } catch (error) {
      // An old token is better than none while the API does not answer.
      if (!known || nowMs >= known.expiresAtMs || isStatusError(error, 'NotFound', 'Forbidden')) throw error;
      known.refreshAtMs = nowMs + tokenRetryMs;
      return known.token;
    }
    const expiresAtMs = Date.parse(granted.status!.expirationTimestamp!);
    const lifeMs = Math.min(expiresAtMs - nowMs, expirationSeconds * 1000);
    this.#tokens.set(key, {
      token: granted.status!.token,
      expiresAtMs,
      refreshAtMs: nowMs + Math.min(lifeMs * refreshShare, longestTokenUseMs),
    });
    return granted.status!.token;
  }
}

interface Selected {
  readonly optional?: boolean;
  readonly items?: readonly KeyToPath[];
}

function select(
  data: ReadonlyMap<string, Uint8Array>,
  { items, optional }: Selected,
  { mode, kind }: { mode: number; kind: string },
  files: Files,
): void {
  if (!items?.length) {
    for (const [key, content] of data) files.set(key, { content, mode });
    return;
  }
  for (const item of items) {
    const content = data.get(item.key);
    if (content) files.set(item.path, { content, mode: item.mode ?? mode });
    else if (!optional) throw keyMissing(kind, item.key);
  }
}

/** The user that all containers run as, where they agree: it owns the tokens. */
function commonUser(pod: Pod): number | undefined {
  const users = new Set(
    [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map(
      container => container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser,
    ),
  );
  return users.size === 1 ? [...users][0] : undefined;
}
