import { NetworkPolicies } from '../../api/generated/resources.js';
import type { NetworkPolicy } from '../../api/generated/types.js';
import { Client } from '../../client/client.js';
import { ApiEventRecorder } from '../../client/event-recorder.js';
import { SharedInformerFactory } from '../../client/informer-factory.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import type { ApiTransport, CallerIdentity } from '../../contracts/api-transport.js';
import type { Clock } from '../../contracts/clock.js';
import type { Logger } from '../../contracts/logger.js';
import type { Part } from '../../contracts/part.js';

/** What everybody is told who relies on a policy. */
export const notEnforcedText = 'network policies are kept but not enforced: no plugin fills the slot network-policy';

/** Warns whoever writes a NetworkPolicy that nobody enforces it. */
export class NetworkPolicyAdmission implements AdmissionPlugin {
  readonly name = 'NetworkPolicyNotice';
  readonly #enforced: boolean;

  constructor(enforced: boolean) {
    this.#enforced = enforced;
  }

  handles({ group, resource, subresource, operation }: AdmissionAttributes): boolean {
    const written = operation === 'CREATE' || operation === 'UPDATE';
    return !this.#enforced && written && group === 'networking.k8s.io' && resource === 'networkpolicies' && !subresource;
  }

  validate({ warn }: AdmissionAttributes): void {
    warn(notEnforcedText);
  }
}

export interface NetworkPolicyNoticeOptions {
  readonly transport: ApiTransport;
  readonly enforced: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const identity: CallerIdentity = { name: 'system:admin', groups: ['system:masters', 'system:authenticated'] };

/** Gives each NetworkPolicy an event that says so, and the log one line. */
export class NetworkPolicyNoticePart implements Part {
  readonly #options: NetworkPolicyNoticeOptions;
  #running: { informers: SharedInformerFactory; recorder: ApiEventRecorder } | undefined;

  constructor(options: NetworkPolicyNoticeOptions) {
    this.#options = options;
  }

  start(): void {
    const { transport, enforced, clock, logger } = this.#options;
    if (enforced || this.#running) return;
    const client = new Client(transport, identity, 'network-policy-notice');
    const informers = new SharedInformerFactory({ client, clock, logger });
    const recorder = new ApiEventRecorder({ client, clock, logger, component: 'network-policy-notice' });
    let told = false;
    informers.informer<NetworkPolicy>(NetworkPolicies).addHandler({
      added: ({ object }) => {
        recorder.event(object, 'Warning', 'NotEnforced', notEnforcedText);
        if (!told) logger.warn(notEnforcedText);
        told = true;
      },
    });
    this.#running = { informers, recorder };
    informers.start();
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.recorder.stop();
    await running?.informers.stop();
  }
}
