import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, errorCode, errorText } from '../../../core/plugin-api/index.js';
import { isJsonObject, parseYamlDocuments } from '../../../core/plugin-api/api-extension.js';
import type { ContainerSpec, Mount } from '../../../core/plugin-api/index.js';

/** Where definitions lie; what comes later holds. */
export const cdiDirectories: readonly string[] = ['/etc/cdi', '/var/run/cdi'];

/** Containerds before this one know nothing of such devices. */
const firstWithCdi = [1, 7] as const;

type Json = Readonly<Record<string, unknown>>;

/** What a device, or all of a file, adds to a container. */
interface Edits {
  readonly env?: readonly string[];
  readonly deviceNodes?: readonly { readonly path: string; readonly hostPath?: string; readonly permissions?: string }[];
  readonly mounts?: readonly {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly options?: readonly string[];
    readonly type?: string;
  }[];
  readonly additionalGids?: readonly number[];
}

/** Whether the containerd of this version resolves devices of the Container Device Interface itself. */
export function resolvesCdi(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(part => Number.parseInt(part, 10));
  return major > firstWithCdi[0] || (major === firstWithCdi[0] && minor >= firstWithCdi[1]);
}

/**
 * For containerd 1.6, which has no Container Device Interface: what its devices add to the container, in CRI's words. Rejects
 * `RUNTIME_FAILED` for a device that is not defined, and for what CRI has no words for, hooks above all.
 */
export async function withCdiDevices(spec: ContainerSpec, directories = cdiDirectories): Promise<ContainerSpec> {
  const names = spec.cdiDevices ?? [];
  if (names.length === 0) return spec;
  const { definitions, faults } = await readDefinitions(directories);
  const missing = names.filter(name => !definitions.has(name));
  if (missing.length > 0) {
    const why = faults.length > 0 ? ` (${faults.join('; ')})` : '';
    throw failed(`unresolvable CDI devices ${missing.join(', ')}${why}`);
  }
  const environment = new Map(spec.environment.map(({ name, value }) => [name, value]));
  const devices = [...spec.devices];
  const mounts = [...spec.mounts];
  const groups = new Set(spec.security.supplementalGroups);
  const seen = new Set<Json>();
  for (const name of names) {
    for (const edit of definitions.get(name)!) {
      if (seen.has(edit)) continue;
      seen.add(edit);
      const { env = [], deviceNodes = [], mounts: more = [], additionalGids = [] } = checked(edit, name);
      for (const variable of env) {
        const at = variable.indexOf('=');
        environment.set(at < 0 ? variable : variable.slice(0, at), at < 0 ? '' : variable.slice(at + 1));
      }
      for (const { path, hostPath, permissions } of deviceNodes) {
        devices.push({ containerPath: path, hostPath: hostPath || path, permissions: permissions || 'rwm' });
      }
      mounts.push(...more.map(mount => criMount(mount, name)));
      for (const group of additionalGids) if (group !== 0) groups.add(group);
    }
  }
  return {
    ...spec,
    environment: Array.from(environment, ([name, value]) => ({ name, value })),
    devices,
    mounts,
    security: { ...spec.security, supplementalGroups: [...groups] },
    cdiDevices: [],
  };
}

/** By device: what is added for it, in this order. */
async function readDefinitions(
  directories: readonly string[],
): Promise<{ definitions: Map<string, readonly Json[]>; faults: string[] }> {
  const definitions = new Map<string, readonly Json[]>();
  const faults: string[] = [];
  for (const directory of directories) {
    const own = new Map<string, readonly Json[]>();
    const doubled = new Set<string>();
    for (const name of (await namesIn(directory)).filter(each => /\.(json|yaml)$/.test(each)).sort()) {
      const file = join(directory, name);
      try {
        for (const [device, edits] of await devicesIn(file)) {
          if (own.has(device)) doubled.add(device);
          own.set(device, edits);
        }
      } catch (error) {
        // It defines devices of others: theirs are looked for elsewhere.
        faults.push(`${file}: ${errorText(error)}`);
      }
    }
    for (const device of doubled) {
      own.delete(device);
      definitions.delete(device);
      faults.push(`${device} is defined twice in ${directory}`);
    }
    for (const [device, edits] of own) definitions.set(device, edits);
  }
  return { definitions, faults };
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function devicesIn(file: string): Promise<[string, readonly Json[]][]> {
  const [spec] = await parseYamlDocuments(await readFile(file));
  if (!isJsonObject(spec) || typeof spec['kind'] !== 'string' || !Array.isArray(spec['devices'])) {
    throw new Error('it is no definition of devices');
  }
  const shared = isJsonObject(spec['containerEdits']) ? [spec['containerEdits']] : [];
  return spec['devices'].map(device => {
    if (!isJsonObject(device) || typeof device['name'] !== 'string') throw new Error('a device has no name');
    const own = isJsonObject(device['containerEdits']) ? [device['containerEdits']] : [];
    return [`${spec['kind'] as string}=${device['name']}`, [...shared, ...own]];
  });
}

const known = new Set(['env', 'deviceNodes', 'mounts', 'additionalGids']);

function checked(edit: Json, device: string): Edits {
  const unknown = Object.entries(edit).find(
    ([name, value]) => !known.has(name) && value !== null && !(Array.isArray(value) && value.length === 0),
  );
  if (!unknown) return edit;
  throw failed(`${device} has ${unknown[0]}, for which this containerd is too old`, {
    mend: 'run containerd 1.7 or newer: --containerd-binaries path, or --container-runtime-endpoint',
  });
}

function criMount(mount: NonNullable<Edits['mounts']>[number], device: string): Mount {
  const { hostPath, containerPath, options = [], type = '' } = mount;
  if (!['', 'bind', 'none'].includes(type))
    throw failed(`${device} has a mount of type ${type}, for which this containerd is too old`);
  const is = (...names: string[]): boolean => names.some(name => options.includes(name));
  return {
    hostPath,
    containerPath,
    readOnly: is('ro'),
    propagation: is('rshared', 'shared') ? 'bidirectional' : is('rslave', 'slave') ? 'host-to-container' : 'private',
  };
}

function failed(text: string, options: { mend?: string } = {}): CodedError {
  return new CodedError('RUNTIME_FAILED', `CDI device injection failed: ${text}`, options);
}
