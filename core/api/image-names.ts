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
const pattern = new RegExp(`^(?:(?:${domain})/)?(?:${remote})(?::(${tag}))?(?:@(${digest}))?$`);

/** Whether an image stands for what may change at any time: `latest`, or no tag and no digest. A malformed reference does not. */
export function isDefaultTag(reference: string): boolean {
  const match = pattern.exec(reference);
  if (!match || /^[a-f0-9]{64}$/.test(reference)) return false;
  return match[1] === 'latest' || (match[1] === undefined && match[2] === undefined);
}
