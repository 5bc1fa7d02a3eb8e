import { describe, expect, it } from '@jest/globals';
import { loadTypes } from '../../../api/schema-data.js';
import { attributesOf } from '../testing/admission-fixture.js';
import { readReview, requestFields, webhookRefusal } from './admission-review.js';

describe('an AdmissionReview', () => {
  it('names user, subresource and original kind where there are any', () => {
    const kind = { group: 'apps', version: 'v1', kind: 'Deployment' };
    const resource = { group: 'apps', version: 'v1', resource: 'deployments' };
    const caller = { name: 'me', uid: 'u', groups: ['g'], extra: { scopes: ['s'] } };
    const attributes = attributesOf({
      resource: 'deployments',
      group: 'extensions',
      version: 'v1beta1',
      subresource: 'scale',
      caller,
    });
    const fields = requestFields(attributes, { resource, kind }, { group: 'autoscaling', version: 'v1', kind: 'Scale' });
    expect(fields).toEqual({
      kind,
      resource,
      subResource: 'scale',
      requestKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
      requestResource: { group: 'extensions', version: 'v1beta1', resource: 'deployments' },
      requestSubResource: 'scale',
      operation: 'CREATE',
      userInfo: { username: 'me', uid: 'u', groups: ['g'], extra: { scopes: ['s'] } },
      dryRun: false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    });
  });

  it('has an empty type of patch refused', async () => {
    const struct = loadTypes('admission.k8s.io').kind('admission.k8s.io', 'v1', 'AdmissionReview')!;
    const response = { uid: 'u', allowed: true, patch: 'W10=', patchType: '' };
    const text = JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response });
    const read = readReview(text, struct, { version: 'v1', uid: 'u', mutating: true });
    await expect(read).rejects.toThrow('webhook returned invalid response.patchType of ""');
  });

  it.each([
    ['hello', /^couldn't get version\/kind; json parse error: json: cannot unmarshal string into Go value of type struct/],
    ['[]', /^couldn't get version\/kind; json parse error: json: cannot unmarshal array/],
    ['{"kind":"Pod","apiVersion":"v1"}', /^no kind "Pod" is registered for version "v1" in scheme/],
    ['{"kind":"Status","apiVersion":"v1"}', /^converting \(v1.Status\) to \(v1.AdmissionReview\): unknown conversion$/],
    [
      'kind: AdmissionReview\napiVersion: admission.k8s.io/v1beta1',
      /^converting \(v1beta1.AdmissionReview\) to \(v1.AdmissionReview\)/,
    ],
    ['null', /^webhook response was absent$/],
  ])('is not %j', async (text, fault) => {
    const struct = loadTypes('admission.k8s.io').kind('admission.k8s.io', 'v1', 'AdmissionReview')!;
    await expect(readReview(text, struct, { version: 'v1', uid: 'u', mutating: true })).rejects.toThrow(fault);
  });
});

describe('a refusal', () => {
  it.each([
    [undefined, 400, '', 'admission webhook "w" denied the request without explanation'],
    [{ code: 200, message: 'no' }, 400, '', 'admission webhook "w" denied the request: no'],
    [{ code: 403, reason: 'Forbidden' }, 403, 'Forbidden', 'admission webhook "w" denied the request: Forbidden'],
  ])('of %j', (given, code, reason, message) => {
    const { status } = webhookRefusal('w', given);
    expect(status).toMatchObject({ status: 'Failure', code, message });
    expect(status.reason ?? '').toBe(reason);
  });
});
