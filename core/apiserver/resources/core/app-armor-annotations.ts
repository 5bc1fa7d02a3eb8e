import type { AppArmorProfile } from '../../../api/generated/types.js';

/** The field that stands for a value of the old annotation; undefined for values that stand for none. */
export function appArmorFieldOf(annotation: string): AppArmorProfile | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' };
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' };
  if (!annotation.startsWith('localhost/')) return undefined;
  const localhostProfile = annotation.slice('localhost/'.length);
  return localhostProfile ? { type: 'Localhost', localhostProfile } : undefined;
}
