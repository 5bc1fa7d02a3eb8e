import { badRequest } from '../../machinery/status-error.js';

/** Label selectors as strings (`a=b,c!=d,e,!f,g in (h,i),j notin (k)`), enough for the fake transport. */
export function labelMatcher(selector: string | undefined): (labels: Readonly<Record<string, string>>) => boolean {
  const requirements = split(selector ?? '').map(parseRequirement);
  return labels => requirements.every(matches => matches(labels));
}

/** Field selectors (`metadata.name=a,spec.nodeName!=b`) over the object's own fields. */
export function fieldMatcher(selector: string | undefined): (object: unknown) => boolean {
  const requirements = split(selector ?? '').map(text => {
    const match = /^([^=!]+?)(!=|==?)(.*)$/.exec(text);
    if (!match) throw badRequest(`invalid field selector "${text}"`);
    const [, path, operator, wanted] = match;
    return (object: unknown): boolean => (readPath(object, path!) === wanted) === (operator !== '!=');
  });
  return object => requirements.every(matches => matches(object));
}

function readPath(object: unknown, path: string): string {
  let at: unknown = object;
  for (const name of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[name];
  return at === undefined || at === null ? '' : String(at);
}

function split(selector: string): string[] {
  return selector
    .split(/,(?![^(]*\))/)
    .map(text => text.trim())
    .filter(text => text !== '');
}

function parseRequirement(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(text);
  if (set) {
    const key = set[1]!;
    const values = set[3]!.split(',').map(value => value.trim());
    return set[2] === 'in'
      ? labels => labels[key] !== undefined && values.includes(labels[key])
      : labels => labels[key] === undefined || !values.includes(labels[key]);
  }
  const equality = /^([^=!\s]+)\s*(!=|==?)\s*(\S*)$/.exec(text);
  if (equality) {
    const [, key, operator, value] = equality;
    return operator === '!=' ? labels => labels[key!] !== value : labels => labels[key!] === value;
  }
  const exists = /^(!?)([^=!\s]+)$/.exec(text);
  if (!exists) throw badRequest(`unable to parse requirement "${text}"`);
  const key = exists[2]!;
  return exists[1] ? labels => labels[key] === undefined : labels => labels[key] !== undefined;
}
