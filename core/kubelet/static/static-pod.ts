import { createHash } from 'node:crypto';
import { CodedError, errorText } from '../../base/errors.js';
import type { Node, Pod } from '../../api/generated/types.js';
import { parseYaml } from '../../machinery/codec/yaml.js';

export const sourceAnnotation = 'kubernetes.io/config.source';
export const mirrorAnnotation = 'kubernetes.io/config.mirror';
const hashAnnotation = 'kubernetes.io/config.hash';

/**
 * The pod of a manifest as the API is to have it: named after its node too, and marked with the manifest's hash. Rejects
 * STATIC_POD_INVALID. Source: pkg/kubelet/config/common.go applyDefaults, pkg/kubelet/pod/mirror_client.go.
 */
export async function staticPod(text: string, node: Node): Promise<Pod> {
  let read: unknown;
  try {
    read = await parseYaml(text);
  } catch (error) {
    throw new CodedError('STATIC_POD_INVALID', errorText(error), { cause: error });
  }
  const pod = read as Partial<Pod> | null;
  const { name } = pod?.metadata ?? {};
  if (pod?.kind !== 'Pod' || pod.apiVersion !== 'v1' || !name || typeof pod.spec !== 'object') {
    throw new CodedError('STATIC_POD_INVALID', 'it is not one Pod of v1 with a name and a spec');
  }
  const nodeName = node.metadata.name ?? '';
  const hash = createHash('sha256').update(nodeName).update(text).digest('hex').slice(0, 32);
  const { annotations, labels, namespace = 'default' } = pod.metadata!;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${name}-${nodeName}`.toLowerCase(),
      namespace,
      ...(labels ? { labels } : {}),
      annotations: { ...annotations, [sourceAnnotation]: 'file', [hashAnnotation]: hash, [mirrorAnnotation]: hash },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node.metadata.uid ?? '', controller: true }],
    },
    spec: {
      ...pod.spec,
      nodeName,
      // Taints never drive it away: only its manifest does.
      tolerations: [...(pod.spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }],
    },
    status: {},
  } as Pod;
}

export function mirrorHash(pod: Pod): string | undefined {
  return pod.metadata.annotations?.[mirrorAnnotation];
}
