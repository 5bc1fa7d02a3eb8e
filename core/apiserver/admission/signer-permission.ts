import type { CallerIdentity } from '../../contracts/api-transport.js';
import type { Authorizer } from '../auth/authorizer.js';
import { resourceAttributes } from '../auth/authorizer.js';

/** Whether the caller may do this with the signer's requests: by its name, or by all names of its domain (`example.com/*`). */
export function maySigner(authorizer: Authorizer, caller: CallerIdentity, verb: 'approve' | 'sign', signerName: string): boolean {
  const user = { name: caller.name, uid: caller.uid, groups: caller.groups, extra: caller.extra ?? {} };
  const allowed = (name: string): boolean =>
    authorizer.authorize(
      resourceAttributes({ user, verb, group: 'certificates.k8s.io', version: '*', resource: 'signers', name }),
    ).decision === 'allow';
  return allowed(signerName) || allowed(`${signerName.split('/')[0]}/*`);
}
