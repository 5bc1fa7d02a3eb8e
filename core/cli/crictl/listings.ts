import type { ContainerOfRuntime, ImageOfRuntime, RuntimeOfNode, SandboxOfRuntime } from '../../cluster/runtime-access.js';
import { age, formatOf, idOf, nanosText, printObject, printTable, shortId, size } from './output.js';
import type { RuntimeOutput } from './output.js';
import type { RuntimeRequest } from './request.js';
import { chosenContainers, chosenSandboxes, findContainer, podNameOf, podNamespaceOf } from './selection.js';

export async function listContainers(runtime: RuntimeOfNode, request: RuntimeRequest, output: RuntimeOutput): Promise<number> {
  const format = formatOf(request);
  const containers = await chosenContainers(runtime, request);
  if (format !== 'table') printObject(format, { containers: containers.map(containerMessage) }, output);
  else if (request.has('quiet')) for (const { id } of containers) output.print(id);
  else {
    const images = request.has('resolve-image-path') ? await runtime.listImages() : [];
    const tags = new Map(images.map(image => [image.id, image.tags[0]]));
    const rows = containers.map(container => {
      const { id, imageId, createdAtMs, state, name, attempt, sandboxId } = container;
      const image = tags.get(imageId) ?? idOf(imageId, request);
      const place = [String(attempt), idOf(sandboxId, request), podNameOf(container), podNamespaceOf(container)];
      return [idOf(id, request), image, age(createdAtMs, Date.now()), capital(state), name, ...place];
    });
    printTable(['CONTAINER', 'IMAGE', 'CREATED', 'STATE', 'NAME', 'ATTEMPT', 'POD ID', 'POD', 'NAMESPACE'], rows, output);
  }
  return 0;
}

function containerMessage(container: ContainerOfRuntime): Record<string, unknown> {
  const { id, sandboxId, name, attempt, imageId, imageReference, state, createdAtMs, labels, annotations } = container;
  return {
    id,
    podSandboxId: sandboxId,
    metadata: { name, attempt },
    image: { image: imageId, annotations: {}, userSpecifiedImage: '', runtimeHandler: '' },
    imageRef: imageReference,
    state: `CONTAINER_${state.toUpperCase()}`,
    createdAt: nanosText(createdAtMs),
    labels,
    annotations,
    imageId,
  };
}

export async function listPods(runtime: RuntimeOfNode, request: RuntimeRequest, output: RuntimeOutput): Promise<number> {
  const format = formatOf(request);
  const sandboxes = await chosenSandboxes(runtime, request);
  if (format !== 'table') printObject(format, { items: sandboxes.map(sandboxMessage) }, output);
  else if (request.has('quiet')) for (const { id } of sandboxes) output.print(id);
  else {
    const rows = sandboxes.map(({ id, createdAtMs, ready, podName, podNamespace, attempt, runtimeHandler }) => [
      idOf(id, request),
      age(createdAtMs, Date.now()),
      ready ? 'Ready' : 'NotReady',
      podName,
      podNamespace,
      String(attempt),
      runtimeHandler || '(default)',
    ]);
    printTable(['POD ID', 'CREATED', 'STATE', 'NAME', 'NAMESPACE', 'ATTEMPT', 'RUNTIME'], rows, output);
  }
  return 0;
}

function sandboxMessage(sandbox: SandboxOfRuntime): Record<string, unknown> {
  const { id, podName, podUid, podNamespace, attempt, ready, createdAtMs, labels, annotations, runtimeHandler } = sandbox;
  return {
    id,
    metadata: { name: podName, uid: podUid, namespace: podNamespace, attempt },
    state: ready ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
    createdAt: nanosText(createdAtMs),
    labels,
    annotations,
    runtimeHandler,
  };
}

export async function listImages(runtime: RuntimeOfNode, request: RuntimeRequest, output: RuntimeOutput): Promise<number> {
  const format = formatOf(request);
  const [name] = request.words;
  const one = name === undefined ? undefined : await runtime.image(name);
  const images = name === undefined ? await runtime.listImages() : one ? [one] : [];
  if (format !== 'table') printObject(format, { images: images.map(imageMessage) }, output);
  else if (request.has('quiet')) for (const { id } of images) output.print(id);
  else {
    const [digests, pinned] = [request.has('digests'), request.has('pinned')];
    const rows = images.flatMap(image => {
      const [imageName = '<none>', digest = '<none>'] = image.digests[0]?.split('@') ?? [];
      return (image.tags.length > 0 ? image.tags : [`${imageName}:<none>`]).map(tag => {
        const colon = tag.lastIndexOf(':');
        return [
          tag.slice(0, colon),
          tag.slice(colon + 1),
          ...(digests ? [idOf(digest, request)] : []),
          idOf(image.id, request),
          size(image.sizeBytes, 3),
          ...(pinned ? [String(image.pinned)] : []),
        ];
      });
    });
    const header = ['IMAGE', 'TAG', ...(digests ? ['DIGEST'] : []), 'IMAGE ID', 'SIZE', ...(pinned ? ['PINNED'] : [])];
    printTable(
      header,
      rows.sort((left, right) => (left[0]! < right[0]! ? -1 : 1)),
      output,
    );
  }
  return 0;
}

function imageMessage({ id, tags, digests, sizeBytes, userId, userName, pinned }: ImageOfRuntime): Record<string, unknown> {
  return {
    id,
    repoTags: tags,
    repoDigests: digests,
    size: String(sizeBytes),
    ...(userId !== undefined && { uid: { value: String(userId) } }),
    username: userName ?? '',
    pinned,
  };
}

export async function showStats(runtime: RuntimeOfNode, request: RuntimeRequest, output: RuntimeOutput): Promise<number> {
  const format = formatOf(request);
  const seconds = request.count('seconds') ?? 1;
  const word = request.words[0] ?? request.value('id');
  const wanted = word === undefined ? undefined : (await findContainer(runtime, word)).id;
  const fitting = new Map((await chosenContainers(runtime, request.withFlag('all'))).map(each => [each.id, each]));
  const read = async (): Promise<Awaited<ReturnType<RuntimeOfNode['stats']>>> =>
    (await runtime.stats())
      .filter(({ containerId }) => (wanted === undefined || containerId === wanted) && fitting.has(containerId))
      .sort((left, right) => (left.containerId < right.containerId ? -1 : 1));
  const before = await read();
  if (format !== 'table') {
    printObject(format, { stats: before.map(stats => statsMessage(stats, fitting.get(stats.containerId)!)) }, output);
    return 0;
  }
  // A rate needs two readings.
  await new Promise(resolve => setTimeout(resolve, seconds * 1000));
  const earlier = new Map(before.map(stats => [stats.containerId, stats]));
  const rows = (await read()).flatMap(stats => {
    const { containerId, name, memoryWorkingSetBytes, writableLayerBytes, writableLayerInodes, cpuUsageCoreNanos } = stats;
    const old = earlier.get(containerId);
    if (!old || (!request.has('all') && cpuUsageCoreNanos === 0 && memoryWorkingSetBytes === 0)) return [];
    const passedNanos = (stats.timeMs - old.timeMs) * 1e6;
    const percent = passedNanos > 0 ? ((cpuUsageCoreNanos - old.cpuUsageCoreNanos) / passedNanos) * 100 : 0;
    const sizes = [size(memoryWorkingSetBytes, 4), size(writableLayerBytes, 4), String(writableLayerInodes)];
    return [[shortId(containerId), name, percent.toFixed(2), ...sizes]];
  });
  printTable(['CONTAINER', 'NAME', 'CPU %', 'MEM', 'DISK', 'INODES'], rows, output);
  return 0;
}

function statsMessage(
  stats: Awaited<ReturnType<RuntimeOfNode['stats']>>[number],
  { attempt, labels, annotations }: ContainerOfRuntime,
): Record<string, unknown> {
  const value = (count: number): { value: string } => ({ value: String(Math.round(count)) });
  const timestamp = nanosText(stats.timeMs);
  return {
    attributes: { id: stats.containerId, metadata: { name: stats.name, attempt }, labels, annotations },
    cpu: { timestamp, usageCoreNanoSeconds: value(stats.cpuUsageCoreNanos) },
    memory: {
      timestamp,
      workingSetBytes: value(stats.memoryWorkingSetBytes),
      usageBytes: value(stats.memoryUsageBytes),
      rssBytes: value(stats.memoryRssBytes),
      pageFaults: value(stats.pageFaults),
      majorPageFaults: value(stats.majorPageFaults),
    },
    writableLayer: {
      timestamp,
      usedBytes: value(stats.writableLayerBytes),
      inodesUsed: value(stats.writableLayerInodes),
    },
  };
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
