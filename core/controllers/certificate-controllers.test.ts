import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CertificateSigningRequests, SubjectAccessReviews } from '../api/generated/resources.js';
import type { CertificateSigningRequest } from '../api/generated/types.js';
import type { RequestContent, SigningRequest } from '../contracts/cluster-authority.js';
import { formatTime } from '../api/time.js';
import {
  certificateApprovingController,
  certificateCleanerController,
  certificateSigningController,
} from './certificate-controllers.js';
import { apiserverClientSigner, kubeletClientSigner, kubeletServingSigner, legacySigner } from './certificate-policy.js';
import { fakeEnvironment } from './testing/environment.js';
import { ControllerHarness } from './testing/harness.js';

const clientUsages = ['digital signature', 'key encipherment', 'client auth'];

describe('certificate signing requests', () => {
  let harness: ControllerHarness;
  let content: RequestContent;
  let signed: SigningRequest[];
  let allowed: string[];
  const requests = () => harness.resource(CertificateSigningRequests);
  const create = async (name: string, spec: object, approve = true) => {
    const request = Buffer.from(`REQUEST ${name}`).toString('base64');
    const now = formatTime(harness.clock.now());
    const conditions = approve ? [{ type: 'Approved', status: 'True', lastUpdateTime: now, lastTransitionTime: now }] : undefined;
    await requests().create({
      metadata: { name },
      spec: { request, usages: clientUsages, ...spec },
      status: { conditions },
    } as unknown as CertificateSigningRequest);
    await harness.settle();
  };
  const certificate = async (name: string) => {
    const { certificate: bytes } = (await requests().get(name)).status;
    return bytes && Buffer.from(bytes, 'base64').toString();
  };
  const conditions = async (name: string) => (await requests().get(name)).status.conditions ?? [];

  beforeEach(() => {
    harness = new ControllerHarness();
    signed = [];
    allowed = [];
    content = { commonName: 'system:node:a', organizations: ['system:nodes'], dnsNames: [], ipAddresses: [], otherNames: 0 };
    harness.environment = {
      ...fakeEnvironment(),
      authority: {
        serverCaPem: 'CA',
        serviceAccountToken: () => '',
        inspect: () => content,
        sign: async request => {
          signed.push(request);
          return '-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n';
        },
      },
    };
    const { transport } = harness;
    const create = transport.create.bind(transport);
    // The reviews are not stored: the fake stores everything else.
    transport.create = async request => {
      if (request.resource.resource !== SubjectAccessReviews.resource) return create(request);
      const review = request.object as { spec: { resourceAttributes: { subresource: string } } };
      return { ...review, status: { allowed: allowed.includes(review.spec.resourceAttributes.subresource) } } as never;
    };
  });
  afterEach(() => harness.stop());

  it('are signed once approved, with the leaf alone in the answer', async () => {
    await harness.start(certificateSigningController.create);
    await create('user', { signerName: apiserverClientSigner, expirationSeconds: 3600 });
    expect(await certificate('user')).toBe('-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n');
    expect(signed).toEqual([{ requestPem: 'REQUEST user', authority: 'client', usages: ['client'], lifetimeMs: 3_600_000 }]);
    await create('pending', { signerName: apiserverClientSigner }, false);
    await create('foreign', { signerName: 'example.com/signer' });
    await create('short', { signerName: legacySigner, expirationSeconds: 1, usages: ['server auth'] });
    expect(await certificate('pending')).toBeUndefined();
    expect(await certificate('foreign')).toBeUndefined();
    expect(signed[1]).toMatchObject({ authority: 'server', usages: ['server'], lifetimeMs: 600_000 });
  });

  it('fail for good when the signer does not sign such', async () => {
    await harness.start(certificateSigningController.create);
    await create('usage', { signerName: apiserverClientSigner, usages: ['server auth'] });
    await create('missing', { signerName: apiserverClientSigner, usages: ['digital signature'] });
    await create('serving', { signerName: kubeletServingSigner, usages: ['digital signature', 'server auth'] });
    content = { ...content, organizations: ['system:masters'] };
    await create('masters', { signerName: kubeletClientSigner });
    const messages = [];
    for (const name of ['usage', 'missing', 'serving', 'masters']) {
      const failed = (await conditions(name)).find(condition => condition.type === 'Failed');
      expect(failed).toMatchObject({ status: 'True', reason: 'SignerValidationFailure' });
      messages.push(failed?.message);
    }
    expect(messages).toEqual([
      'invalid usage for client certificate: server auth',
      'missing required usage for client certificate: client auth',
      'DNS or IP subjectAltName is required',
      'subject organization is not system:nodes',
    ]);
    expect(signed).toEqual([]);
  });

  it('of nodes are approved for those who may ask', async () => {
    await harness.start(certificateApprovingController.create);
    const spec = { signerName: kubeletClientSigner, username: 'system:node:a', usages: ['digital signature', 'client auth'] };
    await create('early', spec, false);
    expect(await conditions('early')).toEqual([]);
    allowed = ['selfnodeclient'];
    await harness.advance(1000);
    const message = 'Auto approving self kubelet client certificate after SubjectAccessReview.';
    // The fake takes the subresource for the object itself.
    const approvals = harness.transport.actions.filter(action => action.subresource === 'approval');
    expect(approvals[0]?.object).toMatchObject({
      status: { conditions: [{ type: 'Approved', reason: 'AutoApproved', message }] },
    });
    await create('other', { ...spec, username: 'bootstrap' }, false);
    expect(harness.transport.actions.filter(action => action.subresource === 'approval')).toHaveLength(approvals.length);
    allowed = ['nodeclient'];
    await harness.advance(1000);
    expect(harness.transport.actions.filter(action => action.subresource === 'approval').at(-1)?.name).toBe('other');
  });

  it('are deleted when they are over', async () => {
    await harness.start(certificateCleanerController.create);
    await create('pending', { signerName: legacySigner }, false);
    await create('approved', { signerName: legacySigner });
    await create('issued', { signerName: legacySigner });
    await requests()
      .subresource('status')
      .patch('issued', 'merge', { status: { certificate: 'AAAA' } });
    const names = async () => (await requests().objects()).map(request => request.metadata.name);
    await harness.advance(2 * 3_600_000);
    expect(await names()).toEqual(['pending', 'approved']);
    await harness.advance(24 * 3_600_000);
    expect(await names()).toEqual([]);
  });
});
