import { describe, expect, it } from '@jest/globals';
import { resourceAttributes } from '../auth/authorizer.js';
import { parseRequest } from '../handlers/request-info.js';
import { InFlightLimits } from './in-flight-limits.js';
import type { Passage } from './request-limiter.js';

describe('limits without priority and fairness', () => {
  const enter = (limits: InFlightLimits, method: string, url = '/api/v1/pods', groups: string[] = []): Passage | undefined => {
    const info = parseRequest(method, url);
    return limits.enter(info, resourceAttributes({ user: { name: 'u', groups }, verb: info.verb, resource: info.resource }));
  };

  it('count reading and changing requests apart', async () => {
    const limits = new InFlightLimits({ readOnly: 1, mutating: 1 });
    const read = enter(limits, 'GET')!;
    expect([read.mustWait, read.retryAfterSeconds, read.classification]).toEqual([false, undefined, undefined]);
    expect(enter(limits, 'GET')!.retryAfterSeconds).toBe(1);
    const write = enter(limits, 'POST')!;
    expect(write.retryAfterSeconds).toBeUndefined();
    const refused = enter(limits, 'POST')!;
    await refused.wait(undefined as never);
    refused.end();
    refused.close();
    expect(refused.retryAfterSeconds).toBe(1);
    read.end();
    read.end();
    expect(enter(limits, 'GET')!.retryAfterSeconds).toBeUndefined();
    expect(enter(limits, 'GET')!.retryAfterSeconds).toBe(1);
    write.close();
    expect(enter(limits, 'POST')!.retryAfterSeconds).toBeUndefined();
  });

  it('let administrators, watches and streams through, and everybody where there is no limit', () => {
    const limits = new InFlightLimits({ readOnly: 1, mutating: 0 });
    enter(limits, 'GET');
    expect(enter(limits, 'GET', '/api/v1/pods', ['system:masters'])).toBeUndefined();
    expect(enter(limits, 'GET', '/api/v1/pods?watch=true')).toBeUndefined();
    expect(enter(limits, 'GET', '/api/v1/namespaces/default/pods/x/log')).toBeUndefined();
    expect(enter(limits, 'POST')).toBeUndefined();
  });
});
