import { createHash } from 'node:crypto';

export const tableFamily = 'inet';
/** The table of the whole plugin; nothing else touches it. */
export const tableName = 'k3s-services';

const longestName = 200;

/** The name of a chain or set: readable, within what the kernel takes, and different for different parts. */
export function objectName(kind: string, ...parts: readonly (string | number)[]): string {
  // Colons of IPv6 addresses are not for names.
  const name = [kind, ...parts].join('/').replaceAll(':', '.');
  if (name.length <= longestName) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `${name.slice(0, longestName - digest.length - 1)}/${digest}`;
}
