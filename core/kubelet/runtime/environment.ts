import { CodedError } from '../../base/errors.js';
import { ConfigMaps, Secrets } from '../../api/generated/resources.js';
import type { ConfigMap, Container, EnvVarSource, Pod, Secret, Service } from '../../api/generated/types.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { ReferencedObjects } from '../volumes/referenced-objects.js';
import { downwardField, downwardResource } from './downward.js';
import type { DownwardInput } from './downward.js';
import { expand } from './expansion.js';
import { serviceEnvironment } from './service-environment.js';

export interface EnvironmentInput extends DownwardInput {
  readonly container: Container;
  readonly services: Iterable<Service>;
  readonly objects: ReferencedObjects;
}

/**
 * The container's variables. Rejects NotFound for an object that must be there, CONFIG_KEY_MISSING for a key.
 * Source: pkg/kubelet makeEnvironmentVariables.
 */
export async function containerEnvironment(input: EnvironmentInput): Promise<Map<string, string>> {
  const { pod, container, objects } = input;
  const namespace = pod.metadata.namespace ?? '';
  const services = serviceEnvironment(input.services, namespace, pod.spec.enableServiceLinks ?? true);
  const result = new Map<string, string>();
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const reference = configMapRef ?? secretRef;
    if (!reference) continue;
    const data = await optionally(reference.optional, () =>
      configMapRef
        ? objects.get(ConfigMaps, namespace, configMapRef.name ?? '').then(configMapData)
        : objects.get(Secrets, namespace, secretRef?.name ?? '').then(secretData),
    );
    for (const [key, value] of data ?? []) result.set(prefix + key, value);
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (value) {
      result.set(
        name,
        expand(value, variable => result.get(variable) ?? services.get(variable)),
      );
    } else if (valueFrom) {
      const resolved = await resolveSource(valueFrom, input, pod);
      if (resolved !== undefined) result.set(name, resolved);
    } else result.set(name, '');
  }
  for (const [name, value] of services) if (!result.has(name)) result.set(name, value);
  return result;
}

/** Undefined: an optional source that is not there. */
async function resolveSource(source: EnvVarSource, input: EnvironmentInput, pod: Pod): Promise<string | undefined> {
  const namespace = pod.metadata.namespace ?? '';
  if (source.fieldRef) return downwardField(source.fieldRef, input);
  if (source.resourceFieldRef) {
    const wanted = source.resourceFieldRef.containerName;
    const container = wanted
      ? [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(({ name }) => name === wanted)
      : input.container;
    if (!container) throw new CodedError('DOWNWARD_FIELD', `container ${wanted} not found`);
    return downwardResource(source.resourceFieldRef, container, input);
  }
  const reference = source.configMapKeyRef ?? source.secretKeyRef;
  if (!reference) throw new CodedError('DOWNWARD_FIELD', 'variables from files are not supported');
  const { name = '', key, optional } = reference;
  const kind = source.configMapKeyRef ? 'ConfigMap' : 'Secret';
  const data = await optionally(optional, () =>
    source.configMapKeyRef
      ? input.objects.get(ConfigMaps, namespace, name).then(configMapData)
      : input.objects.get(Secrets, namespace, name).then(secretData),
  );
  const value = data?.get(key);
  if (value === undefined && data && !optional) {
    throw new CodedError('CONFIG_KEY_MISSING', `couldn't find key ${key} in ${kind} ${namespace}/${name}`);
  }
  return value;
}

async function optionally<T>(optional: boolean | undefined, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (optional && isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function configMapData(configMap: ConfigMap): Map<string, string> {
  return new Map(Object.entries(configMap.data ?? {}));
}

function secretData(secret: Secret): Map<string, string> {
  return new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}
