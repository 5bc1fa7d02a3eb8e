import type { ServiceCIDR } from '../api/generated/types.js';
import { ServiceCIDRs } from '../api/generated/resources.js';
import type { Logger } from '../base/logger.js';
import type { ApiTransport } from '../contracts/api-transport.js';
import { produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import { formatTime } from '../machinery/time.js';
import { apiServerIdentity } from './bootstrap.js';
import { sameList } from './resources/core/service-facts.js';

export const defaultServiceCidrName = 'kubernetes';

export interface DefaultServiceCidrOptions {
  readonly transport: ApiTransport;
  /** `--service-cidr`. */
  readonly cidrs: readonly string[];
  readonly nowMs: number;
  readonly logger: Logger;
}

/**
 * The ServiceCIDR that `--service-cidr` means: made when it is missing, widened by a second family, told to be ready when nobody
 * says anything else. Source: pkg/controlplane/controller/defaultservicecidr.
 */
export async function ensureDefaultServiceCidr({ transport, cidrs, nowMs, logger }: DefaultServiceCidrOptions): Promise<void> {
  const name = defaultServiceCidrName;
  const call = { caller: apiServerIdentity, resource: ServiceCIDRs, name, userAgent: 'kube-apiserver' };
  let found: ServiceCIDR;
  try {
    found = await transport.get<ServiceCIDR>(call);
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
    const object = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name }, spec: { cidrs: [...cidrs] } };
    found = await transport.create<ServiceCIDR>({ ...call, object: object as ServiceCIDR });
  }
  const before = found.spec.cidrs ?? [];
  if (cidrs.length === 2 && before.length === 1 && before[0] === cidrs[0]) {
    await transport.update<ServiceCIDR>({ ...call, object: produce(found, draft => void (draft.spec.cidrs = [...cidrs])) });
    return;
  }
  if (found.metadata.deletionTimestamp !== undefined) return;
  if (!sameList(before, cidrs)) {
    logger.warn('the default ServiceCIDR is not what --service-cidr says; Services get addresses of the former', {
      ranges: before.join(','),
      told: cidrs.join(','),
    });
    return;
  }
  const ready = found.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready && ready.status !== 'Unknown') return;
  const condition = {
    type: 'Ready',
    status: 'True',
    reason: '',
    message: 'Kubernetes default Service CIDR is ready',
    lastTransitionTime: formatTime(nowMs),
  };
  await transport.update<ServiceCIDR>({
    ...call,
    subresource: 'status',
    object: produce(found, draft => void (draft.status = { ...draft.status, conditions: [condition] })),
  });
}
