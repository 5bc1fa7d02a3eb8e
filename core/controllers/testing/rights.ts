import { generatedData } from '../../api/schema-data.js';
import { forbidden } from '../../machinery/status-error.js';
import type { FakeReactor } from '../../client/testing/fake-transport.js';
import type { ControllerDescriptor } from '../controller.js';

interface Role {
  readonly name: string;
  readonly rules: readonly {
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** Refuses what the bootstrap role of a controller does not allow, so that tests find verbs that would fail in a cluster. */
export function rightsOf({ asManager, serviceAccount, name }: ControllerDescriptor, caller: string): FakeReactor {
  const { clusterRoles } = generatedData<{ clusterRoles: Role[] }>('bootstrap-rbac');
  const roleName = asManager ? 'system:kube-controller-manager' : `system:controller:${serviceAccount ?? name}`;
  const role = clusterRoles.find(candidate => candidate.name === roleName);
  if (!role) throw new Error(`there is no bootstrap role ${roleName}`);
  return action => {
    if (action.caller !== caller) return;
    const resource = action.subresource ? `${action.resource}/${action.subresource}` : action.resource;
    const covers = (list: readonly string[] | undefined, value: string): boolean =>
      list?.some(entry => entry === '*' || entry === value) ?? false;
    const allowed = role.rules.some(
      rule =>
        covers(rule.apiGroups, action.group) &&
        (covers(rule.resources, resource) || covers(rule.resources, `*/${action.subresource ?? ''}`)) &&
        covers(rule.verbs, action.verb),
    );
    if (allowed) return;
    const text = `User "${caller}" cannot ${action.verb} resource "${resource}" in API group "${action.group}"`;
    throw forbidden({ group: action.group, resource: action.resource, name: action.name ?? '' }, text);
  };
}
