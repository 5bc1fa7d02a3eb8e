import { parseYamlDocuments } from '../../../core/plugin-api/index.js';
import type { Service, Toleration } from '../../../core/plugin-api/index.js';

export const tolerationsAnnotation = 'svccontroller.k3s.cattle.io/tolerations';

/** A list of tolerations as JSON or YAML. Throws an Error that says what is wrong, as K3s words it. */
export async function readTolerations({ metadata }: Service): Promise<readonly Toleration[]> {
  const text = metadata.annotations?.[tolerationsAnnotation];
  if (text === undefined) return [];
  const [list = []] = await parseYamlDocuments(text).catch((error: unknown) => {
    throw unreadable((error as Error).message);
  });
  if (!Array.isArray(list)) throw unreadable('it is not a list');
  return list.map((entry, index) => {
    if (!isToleration(entry)) throw unreadable(`entry ${index} is not a toleration`);
    const { key = '', operator = 'Equal', value = '' } = entry;
    const refuse = (why: string): Error => new Error(`validation failed for toleration ${index}: ${why}`);
    if (key === '' && operator !== 'Exists') throw refuse("toleration with empty key must have operator 'Exists'");
    if (operator === 'Exists' && value !== '') throw refuse("toleration with operator 'Exists' must have an empty value");
    return entry;
  });
}

function unreadable(why: string): Error {
  return new Error(`failed to parse tolerations from annotation ${tolerationsAnnotation}: ${why}`);
}

function isToleration(entry: unknown): entry is Toleration {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return false;
  return (['key', 'operator', 'value', 'effect'] as const).every(field =>
    ['undefined', 'string'].includes(typeof (entry as Record<string, unknown>)[field]),
  );
}
