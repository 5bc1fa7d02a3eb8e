import { ContainerModule } from 'inversify';
import { AdmissionPlugin } from '../../contracts/admission.js';
import { ApiTransport } from '../../contracts/api-transport.js';
import { Clock } from '../../contracts/clock.js';
import { Logger } from '../../contracts/logger.js';
import { Part } from '../../contracts/part.js';
import { SelectedParts } from '../selected-parts.js';
import { NetworkPolicyAdmission, NetworkPolicyNoticePart } from './network-policy-notice-part.js';

const isEnforced = (selected: SelectedParts): boolean => selected.some(({ slot }) => slot === 'network-policy');

export const module = new ContainerModule(({ bind }) => {
  // The API server injects it: it must not need the API server.
  bind(AdmissionPlugin).toResolvedValue(
    (selected: SelectedParts) => new NetworkPolicyAdmission(isEnforced(selected)),
    [SelectedParts],
  );
  bind(Part).toResolvedValue(
    (transport: ApiTransport, selected: SelectedParts, clock: Clock, logger: Logger) =>
      new NetworkPolicyNoticePart({ transport, enforced: isEnforced(selected), clock, logger }),
    [ApiTransport, SelectedParts, Clock, Logger],
  );
});
