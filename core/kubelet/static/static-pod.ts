import { createHash } from 'node:crypto';
import { CodedError, errorText } from '../../base/errors.js';
import type { Node, Pod } from '../../api/generated/types.js';
import { apiObjectReference } from '../../api/pod-api-references.js';
import { defaultPod } from '../../api/pod-defaults.js';
import { loadTypes } from '../../api/schema-data.js';
import { decodeObject } from '../../machinery/codec/json-decode.js';
import { parseYaml } from '../../machinery/codec/yaml.js';
import { validateDns1123Label, validateDns1123Subdomain } from '../../machinery/names.js';
import type { StructType } from '../../machinery/schema.js';

const sourceAnnotation = 'kubernetes.io/config.source';
const hashAnnotation = 'kubernetes.io/config.hash';
const seenAnnotation = 'kubernetes.io/config.seen';
const mirrorAnnotation = 'kubernetes.io/config.mirror';

/** Where a manifest was found. */
export interface ManifestSource {
  readonly nodeName: string;
  /** The file's name. */
  readonly file: string;
  /** When the manifest was seen first, as the pod tells. */
  readonly seenTime: string;
}

/**
 * The pod that runs for a manifest: named after its node too, with the API's defaults, and with a hash of manifest, node and file
 * as its uid, so that another manifest is another pod. Rejects STATIC_POD_INVALID. Source: pkg/kubelet/config/common.go.
 */
export async function staticPod(text: string, { nodeName, file, seenTime }: ManifestSource): Promise<Pod> {
  let pod: Pod;
  let hash: string;
  try {
    const read = await parseYaml(text);
    pod = decodeObject(podType(), read, { kind: podKind }).object as unknown as Pod;
    hash = createHash('sha256')
      .update(JSON.stringify([nodeName, file, read]))
      .digest('hex')
      .slice(0, 32);
  } catch (error) {
    throw new CodedError('STATIC_POD_INVALID', errorText(error), { cause: error });
  }
  const [problem] = problems(pod);
  if (problem !== undefined) throw new CodedError('STATIC_POD_INVALID', problem);
  defaultPod(pod);
  const { name, annotations, labels, namespace = 'default' } = pod.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${name}-${nodeName.toLowerCase()}`,
      namespace,
      uid: hash,
      ...(labels ? { labels } : {}),
      annotations: { ...annotations, [sourceAnnotation]: 'file', [hashAnnotation]: hash, [seenAnnotation]: seenTime },
    },
    spec: {
      ...pod.spec,
      nodeName,
      // Taints never drive it away: only its manifest does.
      tolerations: [...(pod.spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }],
    },
    status: { phase: 'Pending' },
  } as Pod;
}

/** What shows a static pod in the API. It belongs to the Node, and goes with it. Source: pkg/kubelet/pod/mirror_client.go. */
export function mirrorOf({ metadata, spec }: Pod, node: Node): Pod {
  const { name, namespace, labels, annotations, uid = '' } = metadata;
  const { name: nodeName = '', uid: nodeUid = '' } = node.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      ...(labels ? { labels } : {}),
      annotations: { ...annotations, [mirrorAnnotation]: uid },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeUid, controller: true }],
    },
    spec,
    status: {},
  } as Pod;
}

/** The uid of the static pod that an object of the API shows; undefined for a pod that is no mirror. */
export function mirroredUid(pod: Pod): string | undefined {
  return pod.metadata.annotations?.[mirrorAnnotation];
}

/** The pod comes from a file of its node, not from the API. */
export function isStaticPod(pod: Pod): boolean {
  return pod.metadata.annotations?.[sourceAnnotation] === 'file' && mirroredUid(pod) === undefined;
}

/** Under which uid the pod runs here, given the API's object of it. */
export function runningUid(pod: Pod): string {
  return mirroredUid(pod) ?? pod.metadata.uid ?? '';
}

const podKind = { group: '', version: 'v1', kind: 'Pod' };
let type: StructType | undefined;

/** Only nodes with static pods need the tables. */
function podType(): StructType {
  return (type ??= loadTypes('').kind('', 'v1', 'Pod')!);
}

/** What would keep the pod from running, or lead out of its folders. The API server checks the rest when it is given the mirror. */
function* problems({ metadata, spec }: Pod): Generator<string> {
  if (!metadata.name) yield 'metadata.name is required';
  for (const text of validateDns1123Subdomain(metadata.name ?? '')) yield `metadata.name: ${text}`;
  for (const text of validateDns1123Label(metadata.namespace ?? 'default')) yield `metadata.namespace: ${text}`;
  if (!spec?.containers?.length) return yield 'spec.containers is required';
  const names = new Set<string>();
  for (const { name = '', image } of [...(spec.initContainers ?? []), ...spec.containers]) {
    for (const text of validateDns1123Label(name)) yield `the container name "${name}": ${text}`;
    if (names.has(name)) yield `two containers have the name "${name}"`;
    if (!image) yield `container "${name}" has no image`;
    names.add(name);
  }
  for (const { name = '' } of spec.volumes ?? []) {
    for (const text of validateDns1123Label(name)) yield `the volume name "${name}": ${text}`;
  }
  if (spec.ephemeralContainers?.length) yield 'static pods may not have ephemeral containers';
  const reference = apiObjectReference({ metadata, spec } as Pod);
  if (reference !== undefined) yield `static pods may not reference ${reference}`;
}
