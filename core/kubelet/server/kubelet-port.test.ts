import { describe, expect, it } from '@jest/globals';
import { CodedError } from '../../base/errors.js';
import { silentLogger } from '../../base/logger.js';
import { takePort } from './kubelet-port.js';

function wish(onHost: boolean, port?: number, problem = 'PORT_IN_USE') {
  const asked: number[] = [];
  const listen = (wanted: number): Promise<number> => {
    asked.push(wanted);
    return wanted === 0 ? Promise.resolve(40_001) : Promise.reject(new CodedError(problem, `port ${wanted}`));
  };
  const runtime = { status: () => Promise.resolve({ onHost } as never) };
  return { asked, taken: takePort({ server: { listen }, runtime, logger: silentLogger, port }) };
}

describe("the kubelet's port, when it is taken", () => {
  it('is any other for a simulated node', async () => {
    const { asked, taken } = wish(false);
    expect([await taken, asked]).toEqual([40_001, [10_250, 0]]);
  });

  it('is refused for a real one, with the mend', async () => {
    await expect(wish(true).taken).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringMatching(/^port 10250 of the kubelet is in use; stop what listens there \(ss -ltnp /),
    });
  });

  it('is refused where it was named, and when it is something else', async () => {
    await expect(wish(false, 7000).taken).rejects.toThrow('port 7000');
    await expect(wish(false, undefined, 'LISTEN_FAILED').taken).rejects.toThrow('port 10250');
  });
});
