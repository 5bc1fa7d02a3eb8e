import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { bodyTimeoutMs, readBody } from './body.js';

/** A request whose body the test writes. */
function incoming(headers: Record<string, string> = {}): PassThrough & IncomingMessage {
  return Object.assign(new PassThrough(), { headers, complete: false }) as unknown as PassThrough & IncomingMessage;
}

describe('readBody', () => {
  it('gives up a body that comes too slowly', async () => {
    const clock = new FakeClock(0);
    const request = incoming();
    const body = readBody(request, clock);
    request.write('{');
    const refusal = expect(body).rejects.toMatchObject({
      status: { code: 504, message: 'Timeout: request did not complete within the allotted timeout' },
    });
    await clock.advance(bodyTimeoutMs);
    await refusal;
  });

  it('leaves no timer behind', async () => {
    const clock = new FakeClock(0);
    const request = incoming();
    const body = readBody(request, clock);
    request.end('{}');
    expect((await body).toString()).toBe('{}');
    const cut = incoming();
    const refused = readBody(cut, clock);
    cut.destroy();
    await expect(refused).rejects.toMatchObject({ status: { code: 400 } });
    // Its client had left before anybody wanted to read it.
    await expect(readBody(cut, clock)).rejects.toMatchObject({ status: { code: 400 } });
    expect(clock.pendingTimers).toBe(0);
  });

  it('stops at the limit, whether the length was told or not', async () => {
    const clock = new FakeClock(0);
    await expect(readBody(incoming({ 'content-length': '11' }), clock, 10)).rejects.toMatchObject({ status: { code: 413 } });
    const request = incoming();
    const body = readBody(request, clock, 10);
    request.write('12345678901');
    await expect(body).rejects.toMatchObject({ status: { code: 413, message: 'Request entity too large: limit is 10' } });
  });
});
