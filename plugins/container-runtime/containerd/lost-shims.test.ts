import { expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CodedError } from '../../../core/base/errors.js';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { silentLogger } from '../../../core/base/logger.js';
import { LostShims } from './lost-shims.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

it('shims of containers that containerd does not know are ended when it still does not after a while, and no others', async () => {
  const socket = `/nowhere/${process.pid}.sock`;
  const start = (...words: string[]) => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', ...words]);
  const shim = (id: string) => start('-namespace', 'k8s.io', '-id', id, '-address', socket);
  const processes = { known: shim('known'), lost: shim('lost'), late: shim('late'), client: start('--address', socket) };
  await Promise.all(Object.values(processes).map(child => once(child, 'spawn')));
  const known = new Set(['known']);
  let asked = 0;
  let isAway = false;
  const call = async (_method: string, { id }: { id: string }): Promise<object> => {
    asked++;
    if (isAway) throw new CodedError('GRPC_UNAVAILABLE', 'away');
    if (!known.has(id)) throw new CodedError('GRPC_NOT_FOUND', 'not found');
    return {};
  };
  const clock = new FakeClock();
  const channel = { call } as unknown as GrpcChannel;
  const shims = new LostShims({ channel, socket, clock, logger: silentLogger });
  const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
  isAway = true;
  shims.look();
  await settle();
  isAway = false;
  await clock.advance(60_000);
  await settle();
  expect(asked).toBe(4);
  known.add('late');
  const ended = once(processes.lost, 'exit');
  await clock.advance(10_000);
  expect((await ended)[1]).toBe('SIGKILL');
  expect([processes.known, processes.late, processes.client].map(child => child.exitCode ?? child.signalCode)).toEqual([
    null,
    null,
    null,
  ]);
  // Forgotten later.
  known.delete('known');
  const endedToo = once(processes.known, 'exit');
  await clock.advance(60_000);
  await settle();
  await clock.advance(10_000);
  expect((await endedToo)[1]).toBe('SIGKILL');
  shims.stop();
  expect(clock.pendingTimers).toBe(0);
  for (const child of Object.values(processes)) child.kill('SIGKILL');
});
