import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';

const startDeadlineMs = 10_000;

/** Unconditional puts into a single-member etcd, the engine to be measured against. */
export interface EtcdBaseline {
  put(key: string, value: Buffer): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the etcd of `$ETCD` or the PATH with its data in `directory`; undefined where there is none. */
export async function startEtcd(directory: string): Promise<EtcdBaseline | undefined> {
  const program = process.env['ETCD'] ?? 'etcd';
  if (spawnSync(program, ['--version']).status !== 0) return undefined;
  const [clientPort, peerPort] = [await freePort(), await freePort()];
  const urls = { client: `http://127.0.0.1:${clientPort}`, peer: `http://127.0.0.1:${peerPort}` };
  const child = spawn(
    program,
    [
      ...['--name', 'bench', '--data-dir', join(directory, 'etcd'), '--log-level', 'error', '--logger', 'zap'],
      ...['--listen-client-urls', urls.client, '--advertise-client-urls', urls.client],
      ...['--listen-peer-urls', urls.peer, '--initial-advertise-peer-urls', urls.peer, '--initial-cluster', `bench=${urls.peer}`],
    ],
    { stdio: 'ignore' },
  );
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const client = new Client(`127.0.0.1:${clientPort}`, credentials.createInsecure());
  const put = (key: string, value: Buffer): Promise<void> =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest(
        '/etcdserverpb.KV/Put',
        (request: Buffer) => request,
        (answer: Buffer) => answer,
        putRequest(key, value),
        error => (error ? reject(error) : resolve()),
      ),
    );
  const stop = async (): Promise<void> => {
    client.close();
    child.kill();
    await exited;
  };
  try {
    await new Promise<void>((resolve, reject) =>
      client.waitForReady(Date.now() + startDeadlineMs, error => (error ? reject(error) : resolve())),
    );
    await put('/ready', Buffer.from('1'));
  } catch (error) {
    await stop();
    throw error;
  }
  return { put, stop };
}

/** etcdserverpb.PutRequest: key = 1, value = 2. */
function putRequest(key: string, value: Buffer): Buffer {
  const name = Buffer.from(key);
  return Buffer.concat([Buffer.of(0x0a), varint(name.length), name, Buffer.of(0x12), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
