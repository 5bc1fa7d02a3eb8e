import type { Authorizer } from '../../auth/authorizer.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { deviceClass } from './device-class.js';
import { resourceClaim } from './resource-claim.js';
import { resourceClaimTemplate } from './resource-claim-template.js';
import { resourceSlice } from './resource-slice.js';

export function resourceGroupDefinitions(authorizer: Authorizer): readonly ResourceDefinition[] {
  return [deviceClass, resourceClaim(authorizer), resourceClaimTemplate, resourceSlice];
}
