import { readFile } from 'node:fs/promises';
import { fnv32a } from '../../api/hash.js';
import { CodedError, errorCode } from '../../base/errors.js';
import { writeFileAtomically } from '../../pki/atomic-file.js';
import { pluginCodec } from '../extensions/plugin-wire.js';
import { PodDevices } from './pod-devices.js';

/** As it lies on the disk, where upstream's kubelet and what watches GPUs look for it. Source: cm/devicemanager/checkpoint. */
interface CheckpointData {
  readonly PodDeviceEntries: readonly Entry[] | null;
  readonly RegisteredDevices: Readonly<Record<string, readonly string[] | null>> | null;
}

interface Entry {
  readonly PodUID: string;
  readonly ContainerName: string;
  readonly ResourceName: string;
  /** By memory node. */
  readonly DeviceIDs: Readonly<Record<string, readonly string[] | null>> | null;
  /** Protobuf in base64. */
  readonly AllocResp: string | null;
}

const responseType = 'v1beta1.ContainerAllocateResponse';

export interface DeviceState {
  readonly pods: PodDevices;
  /** Healthy devices, by resource. */
  readonly registered: ReadonlyMap<string, Iterable<string>>;
}

export async function writeDeviceCheckpoint(file: string, { pods, registered }: DeviceState): Promise<void> {
  const entries: Entry[] = [];
  for (const { podUid, container, resource, allocation } of pods.all()) {
    entries.push({
      PodUID: podUid,
      ContainerName: container,
      ResourceName: resource,
      DeviceIDs: Object.fromEntries(allocation.devices),
      AllocResp: pluginCodec.encode(responseType, allocation.response).toString('base64'),
    });
  }
  const data: CheckpointData = {
    PodDeviceEntries: entries.length > 0 ? entries : null,
    RegisteredDevices: Object.fromEntries(Array.from(registered, ([resource, ids]) => [resource, [...ids]])),
  };
  await writeFileAtomically(file, JSON.stringify({ Data: data, Checksum: checksum(data) }));
}

/** Undefined when there is none. Rejects `DEVICE_CHECKPOINT` for one that cannot be relied on. */
export async function readDeviceCheckpoint(file: string): Promise<DeviceState | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { Data: data, Checksum: sum } = JSON.parse(text) as { Data: CheckpointData; Checksum: number };
    if (checksum(data) !== sum) throw new Error('its checksum is another one');
    const pods = new PodDevices();
    for (const entry of data.PodDeviceEntries ?? []) {
      const devices = Object.entries(entry.DeviceIDs ?? {}).map(([node, ids]) => [Number(node), ids ?? []] as const);
      const response = pluginCodec.decode(responseType, Buffer.from(entry.AllocResp ?? '', 'base64'));
      pods.set(entry.PodUID, entry.ContainerName, entry.ResourceName, { devices: new Map(devices), response });
    }
    return { pods, registered: new Map(Object.entries(data.RegisteredDevices ?? {}).map(([name, ids]) => [name, ids ?? []])) };
  } catch (error) {
    throw new CodedError('DEVICE_CHECKPOINT', `${file} cannot be used`, { cause: error });
  }
}

/** Upstream's sum is one of the text that its dump of the Go values is. */
function checksum({ PodDeviceEntries, RegisteredDevices }: CheckpointData): number {
  const entries = PodDeviceEntries === null ? '<nil>' : `[${PodDeviceEntries.map(entryText).join(' ')}]`;
  const registered = mapText(RegisteredDevices, ([a], [b]) => (a < b ? -1 : 1));
  const text = `(checkpoint.checkpointData){PodDeviceEntries:([]checkpoint.PodDevicesEntry)${entries} RegisteredDevices:(map[string][]string)${registered}}`;
  return fnv32a(Buffer.from(text));
}

function entryText({ PodUID, ContainerName, ResourceName, DeviceIDs, AllocResp }: Entry): string {
  const response = AllocResp === null ? '<nil>' : `[${Buffer.from(AllocResp, 'base64').join(' ')}]`;
  const devices = mapText(DeviceIDs, ([a], [b]) => Number(a) - Number(b));
  const names = `PodUID:(string)${PodUID} ContainerName:(string)${ContainerName} ResourceName:(string)${ResourceName}`;
  return `{${names} DeviceIDs:(checkpoint.DevicesPerNUMA)${devices} AllocResp:([]uint8)${response}}`;
}

type Lists = Readonly<Record<string, readonly string[] | null>>;

function mapText(map: Lists | null, order: (a: [string, unknown], b: [string, unknown]) => number): string {
  if (map === null) return '<nil>';
  const entries = Object.entries(map).sort(order);
  return `map[${entries.map(([key, ids]) => `${key}:${ids === null ? '<nil>' : `[${ids.join(' ')}]`}`).join(' ')}]`;
}
