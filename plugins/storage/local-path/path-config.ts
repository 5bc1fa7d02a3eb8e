import { isAbsolute, normalize } from 'node:path';
import { CodedError } from '../../../core/plugin-api/index.js';

/** Where volumes may lie: what one class, or every class without settings of its own, was told. */
export interface PathSettings {
  /** Folders by node; key `DEFAULT_PATH_FOR_NON_LISTED_NODES` for all others. */
  readonly pathsByNode: ReadonlyMap<string, readonly string[]>;
  /** One folder that all nodes see. */
  readonly sharedPath: string | undefined;
}

export interface PathConfig extends PathSettings {
  readonly byClass: ReadonlyMap<string, PathSettings>;
}

const defaultNode = 'DEFAULT_PATH_FOR_NON_LISTED_NODES';

export function defaultPathConfig(storageDir: string): PathConfig {
  return { pathsByNode: new Map([[defaultNode, [storageDir]]]), sharedPath: undefined, byClass: new Map() };
}

/** Reads `config.json` of the ConfigMap. Throws CodedError `LOCAL_PATH_CONFIG` that names the fault. */
export function parsePathConfig(text: string): PathConfig {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw configError(`config.json is no JSON: ${(error as Error).message}`);
  }
  const top = record(data, 'config.json');
  const byClass = new Map<string, PathSettings>();
  for (const [name, value] of Object.entries(record(top['storageClassConfigs'] ?? {}, 'storageClassConfigs'))) {
    byClass.set(name, parseSettings(record(value, `storageClassConfigs.${name}`)));
  }
  const settings = parseSettings(top);
  if (byClass.size === 0 && settings.pathsByNode.size === 0 && settings.sharedPath === undefined) {
    throw configError('config.json has no nodePathMap and no sharedFileSystemPath');
  }
  return { ...settings, byClass };
}

/** The settings that hold for a class. */
export function settingsOf(config: PathConfig, className: string): PathSettings {
  return config.byClass.get(className) ?? config;
}

/** Every folder that holds volumes of this node. */
export function basePaths(config: PathConfig, nodeName: string): string[] {
  const all = [config, ...config.byClass.values()];
  return all.flatMap(settings => [
    ...(nodePaths(settings, nodeName) ?? []),
    ...(settings.sharedPath ? [settings.sharedPath] : []),
  ]);
}

/**
 * The folder for a new volume: the one that the class asks for, else any of the node's. `pick` chooses among several.
 * Throws CodedError `LOCAL_PATH_CONFIG` in the words of local-path-provisioner.
 */
export function choosePath(
  settings: PathSettings,
  nodeName: string,
  requested: string | undefined,
  pick: (paths: readonly string[]) => string,
): string {
  if (settings.sharedPath !== undefined) return settings.sharedPath;
  const paths = nodePaths(settings, nodeName);
  if (!paths) throw configError(`config doesn't contain node ${nodeName}, and no ${defaultNode} available`);
  if (paths.length === 0) throw configError(`no local path available on node ${nodeName}`);
  if (!requested) return pick(paths);
  const wanted = cleanPath(requested);
  if (!paths.includes(wanted)) throw configError(`config doesn't contain path ${requested} on node ${nodeName}`);
  return wanted;
}

function nodePaths(settings: PathSettings, nodeName: string): readonly string[] | undefined {
  return settings.pathsByNode.get(nodeName) ?? settings.pathsByNode.get(defaultNode);
}

function parseSettings(data: Readonly<Record<string, unknown>>): PathSettings {
  const { nodePathMap = [], sharedFileSystemPath } = data;
  if (!Array.isArray(nodePathMap)) throw configError('nodePathMap is not a list');
  const pathsByNode = new Map<string, readonly string[]>();
  for (const entry of nodePathMap as unknown[]) {
    const { node, paths } = record(entry, 'nodePathMap');
    if (typeof node !== 'string' || node === '') throw configError('an entry of nodePathMap has no node');
    if (pathsByNode.has(node)) throw configError(`duplicate node ${node}`);
    if (!Array.isArray(paths)) throw configError(`the paths of node ${node} are not a list`);
    const cleaned = (paths as unknown[]).map(path => checkedPath(path, node));
    const twice = cleaned.find((path, at) => cleaned.indexOf(path) !== at);
    if (twice !== undefined) throw configError(`duplicate path ${twice} on node ${node}`);
    pathsByNode.set(node, cleaned);
  }
  if (sharedFileSystemPath === undefined || sharedFileSystemPath === '') return { pathsByNode, sharedPath: undefined };
  if (pathsByNode.size > 0) throw configError('both nodePathMap and sharedFileSystemPath are defined');
  return { pathsByNode, sharedPath: checkedPath(sharedFileSystemPath, 'sharedFileSystemPath') };
}

function checkedPath(path: unknown, where: string): string {
  if (typeof path !== 'string' || !isAbsolute(path))
    throw configError(`path must start with / for path ${path} on node ${where}`);
  const cleaned = cleanPath(path);
  if (cleaned === '/') throw configError(`cannot use root ('/') as path on node ${where}`);
  return cleaned;
}

function cleanPath(path: string): string {
  const cleaned = normalize(path);
  return cleaned.length > 1 && cleaned.endsWith('/') ? cleaned.slice(0, -1) : cleaned;
}

function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw configError(`${where} is not an object`);
}

export function configError(message: string): CodedError {
  return new CodedError('LOCAL_PATH_CONFIG', message);
}
