import { createHash } from 'node:crypto';
import type { Container, Pod } from '../../api/generated/types.js';
import type { Mount } from '../../contracts/container-runtime.js';

/** Labels and annotations of upstream's containers, so that tools on the node find their way. Source: pkg/kubelet/types/labels.go. */
export const containerNameLabel = 'io.kubernetes.container.name';
export const podNameLabel = 'io.kubernetes.pod.name';
export const podNamespaceLabel = 'io.kubernetes.pod.namespace';
export const podUidLabel = 'io.kubernetes.pod.uid';
const hashAnnotation = 'io.kubernetes.container.hash';
const restartCountAnnotation = 'io.kubernetes.container.restartCount';
const messagePathAnnotation = 'io.kubernetes.container.terminationMessagePath';
const messagePolicyAnnotation = 'io.kubernetes.container.terminationMessagePolicy';
const messageFileAnnotation = 'k3s.io/container.terminationMessageFile';
const graceAnnotation = 'io.kubernetes.pod.terminationGracePeriod';

export function sandboxLabels(pod: Pod): Record<string, string> {
  const { name = '', namespace = '', uid = '', labels } = pod.metadata;
  return { ...labels, [podNameLabel]: name, [podNamespaceLabel]: namespace, [podUidLabel]: uid };
}

export function containerLabels(pod: Pod, container: Container): Record<string, string> {
  const { name = '', namespace = '', uid = '' } = pod.metadata;
  return { [podNameLabel]: name, [podNamespaceLabel]: namespace, [podUidLabel]: uid, [containerNameLabel]: container.name };
}

export function containerAnnotations(pod: Pod, container: Container, restartCount: number): Record<string, string> {
  return {
    [hashAnnotation]: containerHash(container),
    [restartCountAnnotation]: String(restartCount),
    [messagePathAnnotation]: container.terminationMessagePath ?? '',
    [messagePolicyAnnotation]: container.terminationMessagePolicy ?? '',
    [graceAnnotation]: String(pod.spec.terminationGracePeriodSeconds ?? 30),
  };
}

/** Changes when a running container has to be replaced: of its definition only the image may be edited. */
export function containerHash(container: Container): string {
  return createHash('sha256').update(`${container.name}\0${container.image}`).digest('hex').slice(0, 8);
}

/** False for a container that another kubelet made and labelled in its own way. */
export function definitionChanged(container: Container, annotations: Readonly<Record<string, string>>): boolean {
  const hash = annotations[hashAnnotation];
  return hash !== undefined && hash !== containerHash(container);
}

/** Where on the host the container's termination message lies, for the kubelet that sees it end. */
export function withTerminationFile(annotations: Record<string, string>, mounts: readonly Mount[]): Record<string, string> {
  const path = annotations[messagePathAnnotation];
  const hostPath = path && mounts.find(({ containerPath }) => containerPath === path)?.hostPath;
  return hostPath ? { ...annotations, [messageFileAnnotation]: hostPath } : annotations;
}

export function terminationFile(annotations: Readonly<Record<string, string>>): string | undefined {
  return annotations[messageFileAnnotation];
}

export function terminationPolicy(annotations: Readonly<Record<string, string>>): string | undefined {
  return annotations[messagePolicyAnnotation];
}

/** The grace of a container whose pod is no longer known. */
export function recordedGraceSeconds(annotations: Readonly<Record<string, string>>): number {
  const seconds = Number(annotations[graceAnnotation]);
  return Number.isFinite(seconds) ? seconds : 30;
}
