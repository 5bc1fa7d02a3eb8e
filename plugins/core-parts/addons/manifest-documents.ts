import { CodedError, isJsonObject, parseYamlDocuments } from '../../../core/plugin-api/index.js';
import type { ClusterPaths, ClusterSettings, KubeObject } from '../../../core/plugin-api/index.js';

/** What `%{NAME}%` in a manifest stands for. Source: K3s pkg/deploy, manifests. */
export function templateVariables(settings: ClusterSettings, paths: ClusterPaths): ReadonlyMap<string, string> {
  const { clusterDns, clusterDomain, serviceCidrs } = settings;
  const api = firstHost(serviceCidrs[0] ?? '');
  return new Map([
    ['CLUSTER_DNS', clusterDns[0] ?? ''],
    ['CLUSTER_DNS_IPFAMILYPOLICY', clusterDns.length > 1 ? 'RequireDualStack' : 'SingleStack'],
    ['CLUSTER_DNS_LIST', `[${clusterDns.join(',')}]`],
    ['CLUSTER_DOMAIN', clusterDomain],
    ['DEFAULT_LOCAL_STORAGE_PATH', paths.storageDir],
    ['KUBERNETES_API', `${api.includes(':') ? `[${api}]` : api}:443`],
    ['SYSTEM_DEFAULT_REGISTRY', ''],
  ]);
}

/** The first address of a range: the Service `kubernetes` has it. */
function firstHost(cidr: string): string {
  const base = cidr.split('/')[0]!;
  if (base.includes(':')) return base.endsWith('::') ? `${base}1` : base;
  const steps = base.split('.');
  return [...steps.slice(0, 3), Number(steps[3] ?? 0) + 1].join('.');
}

/**
 * The objects of a file, lists taken apart. Variables that are not known stay as they are.
 * Throws CodedError `MANIFEST_INVALID` that names the document, or the YAML reader's StatusError.
 */
export async function parseManifest(text: string, variables: ReadonlyMap<string, string>): Promise<KubeObject[]> {
  const filled = text.replace(/%\{([A-Z_]+)\}%/g, (match, name: string) => variables.get(name) ?? match);
  const documents = await parseYamlDocuments(filled);
  return documents.flatMap((document, at) => objectsOf(document, `document ${at + 1}`));
}

function objectsOf(value: unknown, where: string): KubeObject[] {
  if (!isJsonObject(value)) throw invalid(where, 'is not an object');
  const { kind, apiVersion, metadata, items } = value;
  if (typeof kind !== 'string' || kind === '') throw invalid(where, "Object 'Kind' is missing");
  if (typeof apiVersion !== 'string' || apiVersion === '') throw invalid(where, "Object 'apiVersion' is missing");
  if (kind.endsWith('List') && Array.isArray(items)) {
    return (items as unknown[]).flatMap((item, at) => objectsOf(item, `${where}, item ${at + 1}`));
  }
  if (!isJsonObject(metadata) || typeof metadata['name'] !== 'string' || metadata['name'] === '') {
    throw invalid(where, `the ${kind} has no metadata.name`);
  }
  return [value as unknown as KubeObject];
}

function invalid(where: string, problem: string): CodedError {
  return new CodedError('MANIFEST_INVALID', `${where}: ${problem}`);
}
