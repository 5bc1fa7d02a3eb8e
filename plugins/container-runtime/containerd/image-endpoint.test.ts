import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { silentLogger } from '../../../core/base/logger.js';
import { makeClusterPaths } from '../../../core/cluster/paths.js';
import { ContainerdPart } from './containerd-part.js';
import { WireCodec } from '../../../core/plugin-api/wire.js';
import { methods, tables } from './wire/generated/tables.js';
import type { Method } from './wire/grpc-channel.js';

const codec = new WireCodec(tables);

/** A service on a socket that answers with what it is told, and notes what it was asked. */
class FakeService {
  readonly asked: string[] = [];
  readonly #server = new Server();

  constructor(answers: Partial<Record<Method, object>>) {
    for (const [name, answer] of Object.entries(answers) as [Method, object][]) {
      const { path, request, response } = methods[name];
      const definition = {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: (message: object) => codec.encode(request, message),
        requestDeserialize: (bytes: Buffer) => codec.decode(request, bytes),
        responseSerialize: (message: object) => codec.encode(response, message),
        responseDeserialize: (bytes: Buffer) => codec.decode(response, bytes),
      };
      const handle = (_call: ServerUnaryCall<object, object>, done: sendUnaryData<object>): void => {
        this.asked.push(name);
        done(null, answer);
      };
      this.#server.addService({ [name]: definition }, { [name]: handle });
    }
  }

  listen(socket: string): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

describe('--image-service-endpoint', () => {
  let directory: string;
  let imageSocket: string;
  const services: FakeService[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'image-endpoint-'));
    imageSocket = join(directory, 'images.sock');
  });
  afterEach(() => {
    for (const service of services.splice(0)) service.stop();
    rmSync(directory, { recursive: true });
  });

  const serve = async (socket: string, answers: Partial<Record<Method, object>>): Promise<FakeService> => {
    const service = new FakeService(answers);
    services.push(service);
    await service.listen(socket);
    return service;
  };

  const part = (imageEndpoint: string): ContainerdPart => {
    const options = { binaries: 'private', pauseImage: '', snapshotter: 'overlayfs', logLimitMegabytes: 1 } as const;
    return new ContainerdPart({
      paths: makeClusterPaths({ dataDir: directory, registriesFile: '', ownsHost: false, homeDir: directory }),
      options: { ...options, endpoint: join(directory, 'runtime.sock'), imageEndpoint },
      cni: { configurationDirectory: '/etc/cni/net.d', binaryDirectories: [] },
      clock: new FakeClock(),
      logger: silentLogger,
    });
  };

  const runtimeAnswers = {
    Version: { runtimeName: 'containerd', runtimeVersion: 'v1.7.2' },
    Status: { status: { conditions: [{ type: 'RuntimeReady', status: true }] } },
    ListContainers: { containers: [] },
  };
  const image = { id: 'sha256:1', repoTags: ['example.com/app:1'], repoDigests: [], size: 7 };

  it('asks that service for all that is of images, and containerd for the rest', async () => {
    const containerd = await serve(join(directory, 'runtime.sock'), runtimeAnswers);
    const images = await serve(imageSocket, {
      ImageFsInfo: { imageFilesystems: [{ fsId: { mountpoint: '/images' } }] },
      PullImage: { imageRef: 'sha256:1' },
      ImageStatus: { image },
      ListImages: { images: [image] },
      RemoveImage: {},
    });
    const own = part(`unix://${imageSocket}`);
    await own.ready();
    const { runtime } = own;
    expect(await runtime.pullImage('example.com/app:1', {})).toBe('sha256:1');
    expect((await runtime.image('example.com/app:1'))?.tags).toEqual(['example.com/app:1']);
    expect((await runtime.listImages()).map(({ id }) => id)).toEqual(['sha256:1']);
    await runtime.removeImage('sha256:1');
    expect((await runtime.imageFilesystem()).path).toBe('/images');
    expect(images.asked).toEqual(['ImageFsInfo', 'PullImage', 'ImageStatus', 'ListImages', 'RemoveImage', 'ImageFsInfo']);
    expect(await runtime.listContainers()).toEqual([]);
    expect([...new Set(containerd.asked)].sort()).toEqual(['ListContainers', 'Status', 'Version']);
  });

  it('is not ready while nothing answers there, and says what to do', async () => {
    await serve(join(directory, 'runtime.sock'), runtimeAnswers);
    await expect(part(imageSocket).ready()).rejects.toMatchObject({
      code: 'RUNTIME_ENDPOINT',
      message: expect.stringContaining(`--image-service-endpoint ${imageSocket}: no image service answers: `),
      mend: expect.any(String),
    });
  });

  it('is refused for what is no socket', () => {
    expect(() => part('tcp://127.0.0.1:1')).toThrow('--image-service-endpoint tcp://127.0.0.1:1: it is no path of a socket');
  });
});
