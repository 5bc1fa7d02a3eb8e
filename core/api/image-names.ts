/**
 * References of images as their registries' tools read them. Source: distribution/reference, grammar of its documentation.
 */
const separator = '(?:[._]|__|[-]+)';
const component = `[a-z0-9]+(?:${separator}[a-z0-9]+)*`;
const domainComponent = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const host = `(?:${domainComponent}(?:\\.${domainComponent})*|\\[(?:[a-fA-F0-9:]+)\\])`;
const domain = `${host}(?::[0-9]+)?`;
const remote = `${component}(?:/${component})*`;
const tag = '[\\w][\\w.-]{0,127}';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const hashLengths: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };
const maximumPathLength = 255;
const pattern = new RegExp(`^(?:(?:${domain})/)?(?:${remote})(?::(${tag}))?(?:@(${digest}))?$`);

/** Whether an image stands for what may change at any time: `latest`, or no tag and no digest. A malformed reference does not. */
export function isDefaultTag(reference: string): boolean {
  const match = pattern.exec(reference);
  if (!match || /^[a-f0-9]{64}$/.test(reference)) return false;
  const [, givenTag, givenDigest] = match;
  if (repositoryPath(reference).length > maximumPathLength) return false;
  if (givenDigest !== undefined && !isDigest(givenDigest)) return false;
  return givenTag === 'latest' || (givenTag === undefined && givenDigest === undefined);
}

/** Without the registry; images of no registry and no owner are Docker Hub's own. */
function repositoryPath(reference: string): string {
  const [name] = reference.split('@') as [string];
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const hasRegistry = slash > 0 && (/[.:A-Z]/.test(first) || first === 'localhost');
  const path = (hasRegistry ? name.slice(slash + 1) : name).replace(/:[^/]*$/, '');
  return !hasRegistry && slash < 0 ? `library/${path}` : path;
}

/** Of an algorithm that is known, and as long as its hashes are. */
function isDigest(text: string): boolean {
  const [algorithm = '', hash = ''] = text.split(':');
  return hashLengths[algorithm] === hash.length && /^[a-f0-9]+$/.test(hash);
}
