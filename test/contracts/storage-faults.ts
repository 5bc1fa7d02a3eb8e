import { existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ContainerModule } from '../../core/plugin-api/index.js';
import type { Event, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../core/plugin-api/index.js';
import { HostCommands } from '../../core/host/commands.js';
import { ApiTransport } from '../../core/contracts/api-transport.js';
import { Clock } from '../../core/contracts/clock.js';
import { ClusterPaths } from '../../core/contracts/cluster-paths.js';
import { ClusterSettings } from '../../core/contracts/cluster-settings.js';
import { Logger } from '../../core/contracts/logger.js';
import { Part } from '../../core/contracts/part.js';
import { PluginOptions } from '../../core/contracts/plugin-options.js';
import { definePlugin } from '../../core/plugin-api/descriptor.js';
import { localPathManifests } from '../../plugins/storage/local-path/local-path-manifests.js';
import { LocalPathPart } from '../../plugins/storage/local-path/local-path-part.js';
import { HostProjectQuotas } from '../../plugins/storage/local-path/project-quota.js';
import { faultyTransport } from './faulty-transport.js';
import type { Lies } from './faulty-transport.js';

export interface Fault {
  readonly name: string;
  /** The case of the suite that must notice it. */
  readonly noticedBy: string;
  /** `start`: which one of the part's starts. */
  readonly lies?: (node: { name: string; start: number }) => Lies;
  /** Volumes are not deleted. */
  readonly deletesNoVolume?: boolean;
}

const provisionedBy = 'pv.kubernetes.io/provisioned-by';
const ours = 'rancher.io/local-path';

/** The provisioner reads claims, volumes or classes so; undefined: not at all. */
const reads =
  <T>(resource: string, change: (object: T, node: string) => T | undefined) =>
  ({ name }: { name: string }): Lies => ({
    read: (read, object) => (read === resource ? change(structuredClone(object as T), name) : object),
  });
const claims = (change: (claim: PersistentVolumeClaim, node: string) => PersistentVolumeClaim | undefined) =>
  reads('persistentvolumeclaims', change);
const volumes = (change: (volume: PersistentVolume, node: string) => PersistentVolume | undefined) =>
  reads('persistentvolumes', change);
const classes = (change: (storageClass: StorageClass) => StorageClass | undefined) => reads('storageclasses', change);
const makes = (change: (volume: PersistentVolume) => void) => (): Lies => ({
  write(resource, object) {
    if (resource !== 'persistentvolumes') return object;
    const volume = structuredClone(object as PersistentVolume);
    change(volume);
    return volume;
  },
});
const tellsNothing = (reason: string) => (): Lies => ({
  write: (resource, object) => (resource === 'events' && (object as Event).reason === reason ? undefined : object),
});

const isReleased = ({ status }: PersistentVolume): boolean => status?.phase === 'Released';
const pathOf = ({ spec }: PersistentVolume): string => spec.local?.path ?? spec.hostPath!.path;

/** As if the scheduler had asked for it. */
function asked(claim: PersistentVolumeClaim, node: string): PersistentVolumeClaim {
  const annotations = {
    ...claim.metadata.annotations,
    'volume.kubernetes.io/storage-provisioner': ours,
    'volume.kubernetes.io/selected-node': node,
  };
  return { ...claim, metadata: { ...claim.metadata, annotations } };
}

/** Removes another folder than that of the volume. */
function misses(volume: PersistentVolume): PersistentVolume {
  if (isReleased(volume) && volume.spec.local) volume.spec.local.path += '-other';
  return volume;
}

/** Does not wait for the pods of a claim. */
function removesAtOnce(): Lies {
  const paths = new Map<string, string>();
  return {
    read(resource, object) {
      if (resource === 'persistentvolumes') {
        const volume = object as PersistentVolume;
        paths.set(volume.spec.claimRef?.uid ?? '', pathOf(volume));
      } else if (resource === 'persistentvolumeclaims') {
        const { deletionTimestamp, uid } = (object as PersistentVolumeClaim).metadata;
        const path = paths.get(uid!);
        if (deletionTimestamp && path) rmSync(path, { recursive: true, force: true });
      }
      return object;
    },
  };
}

/** After a restart it knows none of the volumes that it made. */
function makesTwice(start: number): Lies {
  if (start === 1) return {};
  return {
    read(resource, object) {
      if (resource === 'persistentvolumes') return undefined;
      if (resource !== 'persistentvolumeclaims') return object;
      const claim = structuredClone(object as PersistentVolumeClaim);
      delete claim.spec.volumeName;
      return claim;
    },
    write(resource, object) {
      if (resource !== 'persistentvolumes') return object;
      const { metadata, ...rest } = object as PersistentVolume;
      return { ...rest, metadata: { ...metadata, name: `${metadata.name}-again` } };
    },
  };
}

/** What was released before it was seen is not its affair. */
function forgetsReleased(): Lies {
  const forgotten = new Set<string>();
  const seen = new Set<string>();
  return {
    read(resource, object) {
      if (resource !== 'persistentvolumes') return object;
      const volume = object as PersistentVolume;
      const uid = volume.metadata.uid!;
      if (!seen.has(uid) && isReleased(volume)) forgotten.add(uid);
      seen.add(uid);
      return forgotten.has(uid) ? undefined : object;
    },
  };
}

const basics = 'a claim is bound to a new volume of its size, modes and class, with room for data';
const unbidden = 'claims of other provisioners and of no class are left alone';
const foreign = "others' volumes and data stay, whatever they say";
const modes = 'an access mode is given, or refused with an event';
const retain = 'with Retain the volume and its data stay, also where that was said later';

export const faults: readonly Fault[] = [
  { name: 'makes volumes too small', noticedBy: basics, lies: makes(({ spec }) => (spec.capacity = { storage: '1Mi' })) },
  { name: 'forgets the modes', noticedBy: basics, lies: makes(({ spec }) => (spec.accessModes = ['ReadOnlyMany'])) },
  { name: 'forgets the class', noticedBy: basics, lies: makes(({ spec }) => (spec.storageClassName = 'x')) },
  {
    name: 'does not say that it made a volume',
    noticedBy: basics,
    lies: makes(({ metadata }) => delete metadata.annotations![provisionedBy]),
  },
  { name: 'names a folder that is not there', noticedBy: basics, lies: makes(({ spec }) => (spec.local!.path += '-other')) },
  { name: 'loses what it made', noticedBy: basics, lies: () => ({ write: (to, it) => (to === 'events' ? it : undefined) }) },
  {
    name: 'does not wait for a pod',
    noticedBy: 'with WaitForFirstConsumer there is none before a pod needs it, and then the pod runs',
    lies: claims(asked),
  },
  {
    name: 'makes volumes that the node does not reach',
    noticedBy: 'with WaitForFirstConsumer there is none before a pod needs it, and then the pod runs',
    lies: makes(({ spec }) => {
      spec.nodeAffinity!.required!.nodeSelectorTerms[0]!.matchExpressions![0]!.values = ['elsewhere'];
    }),
  },
  {
    name: 'says nothing of a claim without a pod',
    noticedBy: 'with Immediate there is one without a pod, or an event says why not',
    lies: tellsNothing('ProvisioningFailed'),
  },
  {
    name: 'gives all claims one folder',
    noticedBy: 'many claims at once each have one volume of their own',
    lies: makes(({ spec }) => (spec.local!.path = dirname(spec.local!.path))),
  },
  {
    name: 'does not see claims with long names',
    noticedBy: 'the longest names are names like others',
    lies: claims(claim => (claim.metadata.name!.length > 100 ? undefined : claim)),
  },
  {
    name: "serves others' classes",
    noticedBy: unbidden,
    lies: ({ name }) => ({
      read(resource, object) {
        if (resource === 'storageclasses') return { ...(object as StorageClass), provisioner: ours };
        return resource === 'persistentvolumeclaims' ? asked(object as PersistentVolumeClaim, name) : object;
      },
    }),
  },
  {
    name: 'serves claims without a class',
    noticedBy: unbidden,
    lies: claims((claim, node) => {
      if (claim.spec.storageClassName === '') claim.spec.storageClassName = 'local-path';
      return claim.metadata.name === 'without' ? asked(claim, node) : claim;
    }),
  },
  {
    name: 'serves claims that have a volume',
    noticedBy: 'a claim that is served by a volume that is there gets no further one',
    lies: claims((claim, node) => {
      delete claim.spec.volumeName;
      return asked(claim, node);
    }),
  },
  {
    name: "removes others' volumes",
    noticedBy: foreign,
    lies: volumes(volume => {
      if (volume.metadata.name === 'other') volume.metadata.annotations![provisionedBy] = ours;
      return volume;
    }),
  },
  {
    name: 'removes every folder that a volume names',
    noticedBy: foreign,
    lies: volumes(volume => {
      if (volume.metadata.name === 'forged') rmSync(pathOf(volume), { recursive: true, force: true });
      return volume;
    }),
  },
  {
    name: 'gives other modes than were asked for',
    noticedBy: modes,
    lies: claims(claim => ({ ...claim, spec: { ...claim.spec, accessModes: ['ReadWriteOnce'] } })),
  },
  { name: 'says nothing of modes that it has not', noticedBy: modes, lies: tellsNothing('ProvisioningFailed') },
  {
    name: 'gives folders for devices',
    noticedBy: 'a block device is given, or refused with an event',
    lies: claims(claim => ({ ...claim, spec: { ...claim.spec, volumeMode: 'Filesystem' } })),
  },
  {
    name: 'ignores parameters',
    noticedBy: 'a parameter of the class that nobody knows is named in an event',
    lies: classes(storageClass => ({ ...storageClass, parameters: {} })),
  },
  {
    name: 'stands still behind a claim that it refused',
    noticedBy: 'what is refused holds nobody up, and its claim can be deleted',
    lies() {
      let isBlocked = false;
      return {
        write(resource, object) {
          if (resource === 'events' && (object as Event).reason === 'ProvisioningFailed') isBlocked = true;
          return object;
        },
        hears: resource => resource !== 'persistentvolumeclaims' || !isBlocked,
      };
    },
  },
  {
    name: 'never deletes volumes',
    noticedBy: 'with Delete the volume and its data go with the claim',
    deletesNoVolume: true,
  },
  {
    name: 'leaves the data of volumes',
    noticedBy: 'with Delete the volume and its data go with the claim',
    lies: volumes(misses),
  },
  {
    name: 'makes every volume for Delete',
    noticedBy: retain,
    lies: makes(({ spec }) => void (spec.persistentVolumeReclaimPolicy = 'Delete')),
  },
  {
    name: 'deletes volumes that are to stay',
    noticedBy: retain,
    lies: volumes(volume => ({ ...volume, spec: { ...volume.spec, persistentVolumeReclaimPolicy: 'Delete' } })),
  },
  { name: 'removes what pods still use', noticedBy: 'while a pod uses it nothing goes', lies: removesAtOnce },
  {
    name: "gives a claim its predecessor's data",
    noticedBy: 'a claim that comes again under its name begins without data',
    lies: () => ({
      read(resource, object) {
        if (resource === 'persistentvolumes') return misses(structuredClone(object as PersistentVolume));
        const parameters = { pathPattern: '{{ .PVC.Namespace }}/{{ .PVC.Name }}' };
        return resource === 'storageclasses' ? { ...(object as StorageClass), parameters } : object;
      },
    }),
  },
  {
    name: 'finishes no deletion that was begun',
    noticedBy: 'a volume whose data is gone already goes all the same',
    lies: volumes(volume => (isReleased(volume) && !existsSync(pathOf(volume)) ? undefined : volume)),
  },
  {
    name: 'begins anew at each start',
    noticedBy: 'volumes and their data stay as they are',
    lies: ({ start }) => ({
      read(resource, object) {
        const isOurs = resource === 'persistentvolumes' && start > 1;
        if (isOurs) rmSync(join(pathOf(object as PersistentVolume), 'suite.txt'), { force: true });
        return object;
      },
    }),
  },
  {
    name: 'does not see what was released before',
    noticedBy: 'what came and went meanwhile is served and removed',
    lies: forgetsReleased,
  },
  {
    name: 'does not know after a restart what it made',
    noticedBy: 'in the middle of work it leaves nothing out and makes nothing twice',
    lies: ({ start }) => makesTwice(start),
  },
  {
    name: 'serves nobody after a restart',
    noticedBy: 'what came and went meanwhile is served and removed',
    lies: ({ start }) => ({ hears: () => start === 1, read: (_, object) => (start === 1 ? object : undefined) }),
  },
];

/** Ours, made to break one promise: `--storage-fault NAME`. */
export const plugin = definePlugin<{ fault: string }>({
  id: 'faulty-storage',
  slot: 'storage',
  contract: 1,
  after: ['apiserver', 'core'],
  options: { fault: { default: '', format: String, doc: 'name of the fault; empty: none' } },
  flags: { 'storage-fault': { option: 'fault', kind: 'string', summary: 'what to break' } },
  manifests: localPathManifests,
  load: async () => ({
    module: new ContainerModule(({ bind }) => {
      bind(Part).toResolvedValue(
        (
          transport: ApiTransport,
          { nodeName }: ClusterSettings,
          { storageDir }: ClusterPaths,
          clock: Clock,
          logger: Logger,
          options: { fault: string },
        ) => {
          const fault = faults.find(({ name }) => name === options.fault);
          const make = (start: number): LocalPathPart => {
            const lied = faultyTransport(transport, fault?.lies?.({ name: nodeName, start }) ?? {});
            if (fault?.deletesNoVolume) lied.delete = () => Promise.resolve(undefined);
            const quotas = new HostProjectQuotas(new HostCommands({ preferBundledBin: false }));
            return new LocalPathPart({ transport: lied, nodeName, isServer: true, storageDir, quotas, clock, logger });
          };
          return new EachStart(make);
        },
        [ApiTransport, ClusterSettings, ClusterPaths, Clock, Logger, PluginOptions],
      );
    }),
  }),
});

class EachStart implements Part {
  readonly #make: (start: number) => LocalPathPart;
  #part: LocalPathPart | undefined;
  #starts = 0;

  constructor(make: (start: number) => LocalPathPart) {
    this.#make = make;
  }

  start(): void {
    this.#part = this.#make(++this.#starts);
    this.#part.start();
  }

  async stop(): Promise<void> {
    await this.#part?.stop();
  }
}
