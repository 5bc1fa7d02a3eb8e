import type { SelfSubjectReview, UserInfo } from '../../../api/generated/types.js';
import { SelfSubjectReviews } from '../../../api/generated/resources.js';
import type { CallerIdentity } from '../../../contracts/api-transport.js';
import type { KubeObject } from '../../../machinery/object.js';
import { formatTime } from '../../../machinery/time.js';
import { defineResource } from '../../registry/resource-definition.js';

export const selfSubjectReview = defineResource<Omit<SelfSubjectReview, 'metadata'> & KubeObject>({
  reference: SelfSubjectReviews as never,
  verbs: ['create'],
  async evaluate(review, { caller, nowMs }) {
    return {
      apiVersion: review.apiVersion,
      kind: review.kind,
      metadata: { creationTimestamp: formatTime(nowMs) },
      status: { userInfo: userInfoOf(caller) },
    };
  },
});

/** A user as the authentication API prints one. */
export function userInfoOf(user: CallerIdentity): UserInfo {
  const extra = Object.entries(user.extra ?? {});
  return {
    ...(user.name ? { username: user.name } : {}),
    ...(user.uid ? { uid: user.uid } : {}),
    ...(user.groups.length ? { groups: [...user.groups] } : {}),
    ...(extra.length ? { extra: Object.fromEntries(extra.map(([key, values]) => [key, [...values]])) } : {}),
  };
}
