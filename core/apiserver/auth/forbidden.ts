import { quote } from '../../machinery/field-errors.js';
import { forbidden, StatusError } from '../../machinery/status-error.js';
import type { Attributes } from './authorizer.js';

/** `User "x" cannot list resource "pods" in API group "" in the namespace "default"`: clients search for this text. */
export function forbiddenText(attributes: Attributes): string {
  const { user, verb, path, namespace } = attributes;
  if (!attributes.resourceRequest) return `User ${quote(user.name)} cannot ${verb} path ${quote(path)}`;
  const resource = attributes.subresource ? `${attributes.resource}/${attributes.subresource}` : attributes.resource;
  const what = `User ${quote(user.name)} cannot ${verb} resource ${quote(resource)} in API group ${quote(attributes.group)}`;
  return namespace ? `${what} in the namespace ${quote(namespace)}` : `${what} at the cluster scope`;
}

/** The 403 for a request that no authorizer allowed. `reason` comes from the authorizers. */
export function forbiddenError(attributes: Attributes, reason = ''): StatusError {
  // Upstream escapes what could be read as HTML, but not the reason.
  const text = forbiddenText(attributes).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const full = reason ? `${text}: ${reason}` : text;
  const { group, resource, name } = attributes;
  if (group === '' && resource === '') return new StatusError(403, 'Forbidden', `forbidden: ${full}`, {});
  return forbidden({ group, resource, name }, full);
}
