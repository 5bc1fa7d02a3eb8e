import { CodedError } from '../../base/errors.js';
import type { ContainerOfRuntime, ImageOfRuntime, RuntimeOfNode, SandboxOfRuntime } from '../../cluster/runtime-access.js';
import type { RuntimeRequest } from './request.js';

/** Flags that choose containers, for every command that lists them. */
export const containerFlags = [
  'all|a',
  'id=',
  'name=',
  'pod|p=',
  'namespace=',
  'image=',
  'state|s=',
  'label=',
  'latest|l',
  'last|n=',
];
export const sandboxFlags = ['id=', 'name=', 'namespace=', 'state|s=', 'label=', 'latest|l', 'last|n='];

const podNameLabel = 'io.kubernetes.pod.name';
const podNamespaceLabel = 'io.kubernetes.pod.namespace';

export const podNameOf = ({ labels }: ContainerOfRuntime): string => labels[podNameLabel] ?? 'unknown';
export const podNamespaceOf = ({ labels }: ContainerOfRuntime): string => labels[podNamespaceLabel] ?? 'unknown';

/** The newest first. Only those that run, unless the request says otherwise. */
export async function chosenContainers(runtime: RuntimeOfNode, request: RuntimeRequest): Promise<ContainerOfRuntime[]> {
  const state = request.oneOf('state', ['created', 'running', 'exited', 'unknown'], 'any');
  const wantedState = isLimited(request) ? 'any' : state === 'any' && !request.has('all') ? 'running' : state;
  const [name, namespace] = [request.pattern('name'), request.pattern('namespace')];
  const [id, pod] = [request.value('id'), request.value('pod')];
  const hasLabels = labelTest(request);
  const wantedImage = request.value('image');
  const containers = await runtime.listContainers();
  const imageId = wantedImage === undefined ? undefined : (await findImage(runtime, wantedImage))?.id;
  const chosen = containers.filter(
    container =>
      (wantedState === 'any' || container.state === wantedState) &&
      name.test(container.name) &&
      namespace.test(podNamespaceOf(container)) &&
      (id === undefined || isPrefix(id, container.id)) &&
      (pod === undefined || isPrefix(pod, container.sandboxId)) &&
      (wantedImage === undefined || (imageId !== undefined && container.imageId === imageId)) &&
      hasLabels(container.labels),
  );
  return newest(chosen, request);
}

export async function chosenSandboxes(runtime: RuntimeOfNode, request: RuntimeRequest): Promise<SandboxOfRuntime[]> {
  const state = request.oneOf('state', ['ready', 'notready'], 'any');
  const [name, namespace] = [request.pattern('name'), request.pattern('namespace')];
  const id = request.value('id');
  const hasLabels = labelTest(request);
  const chosen = (await runtime.listSandboxes()).filter(
    sandbox =>
      (state === 'any' || sandbox.ready === (state === 'ready')) &&
      name.test(sandbox.podName) &&
      namespace.test(sandbox.podNamespace) &&
      (id === undefined || isPrefix(id, sandbox.id)) &&
      hasLabels(sandbox.labels),
  );
  return newest(chosen, request);
}

/** By name, or by the beginning of its id. */
export async function findImage(runtime: RuntimeOfNode, word: string): Promise<ImageOfRuntime | undefined> {
  const byName = await runtime.image(word);
  if (byName) return byName;
  const fitting = (await runtime.listImages()).filter(({ id }) => isPrefix(word, id));
  return fitting.length === 0 ? undefined : onlyOne(fitting, word, 'image');
}

/** By the beginning of the id, or by a name that only one running container has. */
export async function findContainer(runtime: RuntimeOfNode, word: string): Promise<ContainerOfRuntime> {
  const containers = await runtime.listContainers();
  const byId = containers.filter(({ id }) => isPrefix(word, id));
  const found = byId.length > 0 ? byId : containers.filter(({ name, state }) => name === word && state === 'running');
  return onlyOne(found, word, 'container');
}

export function isPrefix(word: string, id: string): boolean {
  const hex = word.replace(/^sha256:/, '');
  return hex.length > 0 && id.replace(/^sha256:/, '').startsWith(hex);
}

function onlyOne<T>(found: readonly T[], word: string, what: string): T {
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw new CodedError('RUNTIME_NOT_FOUND', `there is no ${what} "${word}" on this node`);
  throw new CodedError('RUNTIME_AMBIGUOUS', `${found.length} ${what}s fit "${word}"`, { mend: 'give more of the id' });
}

const isLimited = (request: RuntimeRequest): boolean => request.has('latest') || (request.count('last') ?? 0) > 0;

function newest<T extends { readonly createdAtMs: number }>(found: readonly T[], request: RuntimeRequest): T[] {
  const last = request.has('latest') ? 1 : (request.count('last') ?? 0);
  const ordered = found.toSorted((left, right) => right.createdAtMs - left.createdAtMs);
  return last > 0 ? ordered.slice(0, last) : ordered;
}

function labelTest(request: RuntimeRequest): (labels: Readonly<Record<string, string>>) => boolean {
  const wanted = request.values('label').map(text => {
    const equals = text.indexOf('=');
    if (equals <= 0) throw new CodedError('USAGE', `--label must be KEY=VALUE, not "${text}"`);
    return [text.slice(0, equals), text.slice(equals + 1)] as const;
  });
  return labels => wanted.every(([key, value]) => labels[key] === value);
}
