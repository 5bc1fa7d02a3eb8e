import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { CodedError, errorCode } from '../../base/errors.js';
import { writeFileAtomically } from '../../pki/atomic-file.js';

/** A device of a claim, as its driver described it when it was made ready. */
export interface ClaimDevice {
  readonly pool: string;
  readonly device: string;
  readonly shareId: string | undefined;
  /** Of the claim; none: it serves all of them. */
  readonly requests: readonly string[];
  /** Names of the Container Device Interface. */
  readonly cdiDevices: readonly string[];
}

/** What the kubelet knows of a claim that pods of its node use. */
export interface KnownClaim {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Uids of the pods. */
  readonly pods: Set<string>;
  /** By driver: all that the claim has devices of, also before they are ready. */
  readonly drivers: Map<string, readonly ClaimDevice[]>;
}

/** As upstream's kubelet has it on the disk. Source: cm/dra/state. */
interface CheckpointData {
  readonly kind: string;
  readonly apiVersion: string;
  readonly ClaimInfoStateList: readonly Entry[] | null;
}

interface Entry {
  readonly ClaimUID: string;
  readonly ClaimName: string;
  readonly Namespace: string;
  readonly PodUIDs: Readonly<Record<string, object>> | null;
  readonly DriverState: Readonly<Record<string, { readonly Devices: readonly EntryDevice[] | null }>> | null;
}

interface EntryDevice {
  readonly PoolName: string;
  readonly DeviceName: string;
  readonly ShareID: string | null;
  readonly RequestNames: readonly string[] | null;
  readonly CDIDeviceIDs: readonly string[] | null;
}

export async function writeClaimCheckpoint(file: string, claims: Iterable<KnownClaim>): Promise<void> {
  const entries = Array.from(claims, ({ uid, name, namespace, pods, drivers }) => ({
    ClaimUID: uid,
    ClaimName: name,
    Namespace: namespace,
    PodUIDs: Object.fromEntries(Array.from(pods, podUid => [podUid, {}])),
    DriverState: Object.fromEntries(Array.from(drivers, ([driver, devices]) => [driver, { Devices: devices.map(entryDevice) }])),
  }));
  const data: CheckpointData = {
    kind: 'DRACheckpoint',
    apiVersion: 'checkpoint.dra.kubelet.k8s.io/v1',
    ClaimInfoStateList: entries,
  };
  const text = JSON.stringify(data);
  await writeFileAtomically(file, JSON.stringify({ Data: text, Checksum: crc32(text) }));
}

/** Empty when there is none. Rejects `CLAIM_CHECKPOINT` for one that cannot be relied on. */
export async function readClaimCheckpoint(file: string): Promise<KnownClaim[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
  try {
    const { Data: inner, Checksum: sum } = JSON.parse(text) as { Data: string; Checksum: number };
    if (crc32(inner) !== sum) throw new Error('its checksum is another one');
    const { ClaimInfoStateList: entries } = JSON.parse(inner) as CheckpointData;
    return (entries ?? []).map(({ ClaimUID, ClaimName, Namespace, PodUIDs, DriverState }) => ({
      uid: ClaimUID,
      name: ClaimName,
      namespace: Namespace,
      pods: new Set(Object.keys(PodUIDs ?? {})),
      drivers: new Map(
        Object.entries(DriverState ?? {}).map(([driver, { Devices }]) => [driver, (Devices ?? []).map(claimDevice)]),
      ),
    }));
  } catch (error) {
    throw new CodedError('CLAIM_CHECKPOINT', `${file} cannot be used`, { cause: error });
  }
}

function entryDevice({ pool, device, shareId, requests, cdiDevices }: ClaimDevice): EntryDevice {
  return { PoolName: pool, DeviceName: device, ShareID: shareId ?? null, RequestNames: requests, CDIDeviceIDs: cdiDevices };
}

function claimDevice({ PoolName, DeviceName, ShareID, RequestNames, CDIDeviceIDs }: EntryDevice): ClaimDevice {
  return {
    pool: PoolName,
    device: DeviceName,
    shareId: ShareID ?? undefined,
    requests: RequestNames ?? [],
    cdiDevices: CDIDeviceIDs ?? [],
  };
}
