import { posix } from 'node:path';
import type { Pod } from '../../api/generated/types.js';
import { allContainers } from './pod-containers.js';

/**
 * Directories that a volume must have because a container mounts something else below it: a runtime cannot make them in a volume that
 * is mounted read-only. Relative to the volume. Source: pkg/volume/util MakeNestedMountpoints.
 */
export function nestedMountPoints(pod: Pod, volumeName: string): string[] {
  const found = new Set<string>();
  for (const { volumeMounts = [] } of allContainers(pod)) {
    const paths = volumeMounts.map(({ mountPath }) => posix.resolve('/', mountPath)).sort();
    for (const { name, mountPath, subPath, subPathExpr } of volumeMounts) {
      if (name !== volumeName || subPath || subPathExpr) continue;
      const outer = `${posix.resolve('/', mountPath)}/`;
      const below: string[] = [];
      for (const path of paths) {
        if (!path.startsWith(outer) || below.some(other => path.startsWith(`${other}/`))) continue;
        below.push(path);
        found.add(path.slice(outer.length));
      }
    }
  }
  return [...found];
}
