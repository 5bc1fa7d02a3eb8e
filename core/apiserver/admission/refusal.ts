import type { AdmissionAttributes } from '../../contracts/admission.js';
import type { StatusError } from '../../machinery/status-error.js';
import { forbidden } from '../../machinery/status-error.js';

/** 403 for what a plugin refuses. An object without a name yet is named by what its name will begin with. Source: admission.NewForbidden. */
export function refusal(attributes: AdmissionAttributes, reason: string): StatusError {
  const { group, resource, object } = attributes;
  const name = attributes.name || object?.metadata.name || object?.metadata.generateName || 'Unknown';
  return forbidden({ group, resource, name }, reason);
}

/** Whether the request is for this resource itself or, where named, for that subresource. */
export function isFor(attributes: AdmissionAttributes, group: string, resource: string, subresource = ''): boolean {
  return attributes.resource === resource && attributes.group === group && attributes.subresource === subresource;
}
