import type { Volume, VolumeProjection } from '../../../api/generated/types.js';
import { quote } from '../../../machinery/field-errors.js';

interface PlacedFile {
  readonly path: string;
  readonly source: string;
}

/** Files of one volume that hide each other. Source: warningsForOverlappingVirtualPaths. */
export function overlapWarnings(volumes: readonly Volume[]): string[] {
  const warnings: string[] = [];
  for (const volume of volumes) {
    const { configMap, secret, downwardAPI, projected } = volume;
    const warn = (kind: string, files: readonly PlacedFile[]): void => {
      const known: PlacedFile[] = [];
      for (const file of files.map(({ path, source }) => ({ path: path.replace(/\/+$/, ''), source }))) {
        for (const other of known) {
          if (overlaps(file, other))
            warnings.push(`volume ${quote(volume.name)} (${kind}): overlapping paths: ${show(file)} with ${show(other)}`);
        }
        known.push(file);
      }
    };
    const plain = (items: readonly { path: string }[]): PlacedFile[] => items.map(({ path }) => ({ path, source: '' }));
    if (configMap?.items) warn(`ConfigMap ${quote(configMap.name ?? '')}`, plain(configMap.items));
    if (secret?.items) warn(`Secret ${quote(secret.secretName ?? '')}`, plain(secret.items));
    if (downwardAPI?.items) warn('DownwardAPI', plain(downwardAPI.items));
    if (!projected) continue;
    const files: PlacedFile[] = [];
    for (const source of projected.sources ?? []) {
      if (Object.keys(source).length === 0) warnings.push(`volume ${quote(volume.name)} (Projected) has no sources provided`);
      else files.push(...filesOf(source));
    }
    warn('Projected', files);
  }
  return warnings;
}

function filesOf(projection: VolumeProjection): PlacedFile[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = projection;
  const named = (items: readonly { path: string }[], source: string): PlacedFile[] => items.map(({ path }) => ({ path, source }));
  if (configMap?.items) return named(configMap.items, `ConfigMap ${quote(configMap.name ?? '')}`);
  if (secret?.items) return named(secret.items, `Secret ${quote(secret.name ?? '')}`);
  if (downwardAPI?.items) return named(downwardAPI.items, 'DownwardAPI');
  if (serviceAccountToken) return [{ path: serviceAccountToken.path, source: 'ServiceAccountToken' }];
  if (clusterTrustBundle) {
    const name = clusterTrustBundle.name ?? clusterTrustBundle.signerName ?? '';
    return [{ path: clusterTrustBundle.path, source: `ClusterTrustBundle ${quote(name)}` }];
  }
  const files: PlacedFile[] = [];
  if (podCertificate?.certificateChainPath)
    files.push({ path: podCertificate.certificateChainPath, source: 'PodCertificate chain' });
  if (podCertificate?.keyPath) files.push({ path: podCertificate.keyPath, source: 'PodCertificate key' });
  if (podCertificate?.credentialBundlePath) {
    files.push({ path: podCertificate.credentialBundlePath, source: 'PodCertificate credential bundle' });
  }
  return files;
}

function overlaps(one: PlacedFile, other: PlacedFile): boolean {
  if (one.path === '' || other.path === '') return false;
  return `${one.path}/`.startsWith(`${other.path}/`) || `${other.path}/`.startsWith(`${one.path}/`);
}

const show = ({ path, source }: PlacedFile): string => (source ? `${quote(path)} (${source})` : quote(path));
