import { X509Certificate } from 'node:crypto';
import { errorText } from '../base/errors.js';
import { CertificateSigningRequests, SubjectAccessReviews } from '../api/generated/resources.js';
import type { CertificateSigningRequest, SubjectAccessReview } from '../api/generated/types.js';
import { nowTime, parseTime } from '../api/time.js';
import type { Informer } from '../client/informer-types.js';
import { produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import {
  hasTrueCondition,
  isApproved,
  kubeletClientError,
  kubeletClientSigner,
  pemOf,
  signerPolicies,
} from './certificate-policy.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const longestMs = 365 * dayMs;
const shortestMs = 600_000;

/** A queue of requests that have no certificate yet. Source: pkg/controller/certificates. */
abstract class RequestController extends Reconciler {
  protected readonly requests: Informer<CertificateSigningRequest>;

  constructor(context: ControllerContext, name: string) {
    super(context, { name, backoff: { initialMs: 200, maximumMs: 1_000_000 } });
    this.requests = context.informers.informer(CertificateSigningRequests);
  }

  protected override register(): void {
    this.watch(this.requests, {
      added: entry => this.queue.add(entry.name),
      updated: (_previous, entry) => this.queue.add(entry.name),
    });
  }

  protected override async sync(name: string): Promise<void> {
    const request = this.requests.get('', name);
    if (request && !request.status?.certificate) await this.handle(request);
  }

  protected abstract handle(request: CertificateSigningRequest): Promise<void>;
}

/** Approves client certificates of nodes for those who may ask for them. */
class ApprovingController extends RequestController {
  constructor(context: ControllerContext) {
    super(context, 'certificatesigningrequest-approving-controller');
  }

  protected override async handle(request: CertificateSigningRequest): Promise<void> {
    const { spec } = request;
    if (hasTrueCondition(request, 'Approved') || hasTrueCondition(request, 'Denied')) return;
    if (spec.signerName !== kubeletClientSigner) return;
    const content = this.context.environment.authority.inspect(pemOf(spec.request));
    if (kubeletClientError(content, spec.usages ?? []) !== undefined) return;
    const own = spec.username === content.commonName;
    if (own && (await this.#allows(request, 'selfnodeclient'))) {
      await this.#approve(request, 'Auto approving self kubelet client certificate after SubjectAccessReview.');
    } else if (await this.#allows(request, 'nodeclient')) {
      await this.#approve(request, 'Auto approving kubelet client certificate after SubjectAccessReview.');
    } else {
      this.context.logger.debug('a certificate of a node was asked for by somebody who may not', { name: request.metadata.name });
      this.queue.addRateLimited(request.metadata.name);
    }
  }

  async #allows({ spec }: CertificateSigningRequest, subresource: string): Promise<boolean> {
    const { username: user, uid, groups, extra } = spec;
    const resourceAttributes = {
      group: CertificateSigningRequests.group,
      resource: CertificateSigningRequests.resource,
      verb: 'create',
      subresource,
      version: '*',
    };
    const review = { metadata: {}, spec: { user, uid, groups, extra, resourceAttributes } } as unknown as SubjectAccessReview;
    return (await this.context.client.resource(SubjectAccessReviews).create(review)).status?.allowed ?? false;
  }

  async #approve(request: CertificateSigningRequest, message: string): Promise<void> {
    const now = nowTime(this.context.clock);
    const condition = {
      type: 'Approved',
      status: 'True',
      reason: 'AutoApproved',
      message,
      lastUpdateTime: now,
      lastTransitionTime: now,
    };
    const approved = produce(request, draft => {
      draft.status = { ...draft.status, conditions: [...(draft.status?.conditions ?? []), condition] };
    });
    const { name } = request.metadata;
    await this.context.client.resource(CertificateSigningRequests).subresource('approval').update(name, approved);
  }
}

/** Signs what was approved, for the signers that are the cluster's own. */
class SigningController extends RequestController {
  constructor(context: ControllerContext) {
    super(context, 'certificatesigningrequest-signing-controller');
  }

  protected override async handle(request: CertificateSigningRequest): Promise<void> {
    const { spec } = request;
    const policy = signerPolicies[spec.signerName];
    if (!policy || !isApproved(request) || hasTrueCondition(request, 'Failed')) return;
    const { authority } = this.context.environment;
    const requestPem = pemOf(spec.request);
    const usages = spec.usages ?? [];
    const refused = policy.refuse(authority.inspect(requestPem), usages);
    if (refused !== undefined) return this.#fail(request, refused);
    const certificate = await authority.sign({
      requestPem,
      authority: policy.authority,
      usages: (['client', 'server'] as const).filter(side => usages.includes(`${side} auth`)),
      lifetimeMs: lifetimeMs(spec.expirationSeconds),
    });
    await this.#write(produce(request, draft => void (draft.status = { ...draft.status, certificate: leafOf(certificate) })));
  }

  async #fail(request: CertificateSigningRequest, message: string): Promise<void> {
    const now = nowTime(this.context.clock);
    const condition = {
      type: 'Failed',
      status: 'True',
      reason: 'SignerValidationFailure',
      message,
      lastUpdateTime: now,
      lastTransitionTime: now,
    };
    await this.#write(
      produce(request, draft => {
        draft.status = { ...draft.status, conditions: [...(draft.status?.conditions ?? []), condition] };
      }),
    );
  }

  async #write(request: CertificateSigningRequest): Promise<void> {
    await this.context.client.resource(CertificateSigningRequests).updateStatus(request.metadata.name, request);
  }
}

function lifetimeMs(expirationSeconds: number | undefined): number {
  if (expirationSeconds === undefined) return longestMs;
  return Math.min(longestMs, Math.max(shortestMs, expirationSeconds * 1000));
}

/** Upstream answers with the leaf alone. */
function leafOf(chainPem: string): string {
  const end = '-----END CERTIFICATE-----\n';
  const at = chainPem.indexOf(end);
  return Buffer.from(at < 0 ? chainPem : chainPem.slice(0, at + end.length)).toString('base64');
}

const roundKey = 'round';

/** Deletes requests that are over, or that nobody answered. Source: pkg/controller/certificates/cleaner. */
class CleanerController extends Reconciler {
  readonly #requests: Informer<CertificateSigningRequest>;

  constructor(context: ControllerContext) {
    super(context, { name: 'certificatesigningrequest-cleaner-controller', workers: 1 });
    this.#requests = context.informers.informer(CertificateSigningRequests);
  }

  protected override register(): void {
    this.watch(this.#requests);
    this.queue.add(roundKey);
  }

  protected override async sync(): Promise<void> {
    try {
      for (const request of this.#requests.list()) if (this.#isOver(request)) await this.#delete(request.metadata.name);
    } finally {
      this.queue.addAfter(roundKey, hourMs);
    }
  }

  #isOver({ metadata, status }: CertificateSigningRequest): boolean {
    const conditions = status?.conditions ?? [];
    if (conditions.length === 0) return this.#isOlder(metadata.creationTimestamp, dayMs);
    return conditions.some(({ type, lastUpdateTime }) => {
      if (type !== 'Approved') return (type === 'Denied' || type === 'Failed') && this.#isOlder(lastUpdateTime, hourMs);
      if (!status?.certificate) return this.#isOlder(lastUpdateTime, dayMs);
      return this.#isOlder(lastUpdateTime, hourMs) || this.#isExpired(status.certificate);
    });
  }

  #isOlder(time: string | null | undefined, ageMs: number): boolean {
    const ms = parseTime(time);
    return ms !== undefined && this.context.clock.now() - ms > ageMs;
  }

  #isExpired(certificate: string): boolean {
    try {
      return Date.parse(new X509Certificate(pemOf(certificate)).validTo) < this.context.clock.now();
    } catch (error) {
      this.context.logger.debug('a certificate cannot be read, it goes by its age', { error: errorText(error) });
      return false;
    }
  }

  async #delete(name: string): Promise<void> {
    try {
      await this.context.client.resource(CertificateSigningRequests).delete(name);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
}

const serviceAccount = 'certificate-controller';

export const certificateApprovingController: ControllerDescriptor = {
  name: 'certificatesigningrequest-approving-controller',
  serviceAccount,
  create: context => new ApprovingController(context),
};

export const certificateCleanerController: ControllerDescriptor = {
  name: 'certificatesigningrequest-cleaner-controller',
  serviceAccount,
  create: context => new CleanerController(context),
};

export const certificateSigningController: ControllerDescriptor = {
  name: 'certificatesigningrequest-signing-controller',
  serviceAccount,
  create: context => new SigningController(context),
};
