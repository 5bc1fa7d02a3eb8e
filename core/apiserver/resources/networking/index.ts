import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { ingressClass } from './ingress-class.js';
import { ingress } from './ingress.js';
import { ipAddress } from './ip-address.js';
import { networkPolicy } from './network-policy.js';
import { serviceCidr } from './service-cidr.js';

export const networkingDefinitions: readonly ResourceDefinition[] = [
  ingress,
  ingressClass,
  ipAddress,
  networkPolicy,
  serviceCidr,
];
