import { definePlugin } from '../../../core/plugin-api/descriptor.js';

export interface ContainerdPluginOptions {
  readonly binaries: 'private' | 'path';
  readonly endpoint: string;
  readonly imageEndpoint: string;
  readonly pauseImage: string;
  readonly snapshotter: string;
  readonly logLimitMegabytes: number;
}

export const containerdRuntime = definePlugin<ContainerdPluginOptions>({
  id: 'containerd',
  slot: 'container-runtime',
  contract: 1,
  summary: 'containers of a containerd of our own',
  after: ['cni'],
  options: {
    binaries: {
      default: 'private',
      format: ['private', 'path'],
      doc: 'containerd and runc: private copies of the Debian packages, or what is on PATH',
    },
    endpoint: { default: '', format: String, doc: 'socket of a containerd that runs already; empty: one of our own' },
    imageEndpoint: { default: '', format: String, doc: 'socket of the image service; empty: of containerd itself' },
    pauseImage: { default: '', format: String, doc: 'image of the sandbox container; empty: the one that comes with k3s' },
    snapshotter: { default: 'overlayfs', format: ['overlayfs', 'native'], doc: 'snapshotter of containerd' },
    logLimitMegabytes: { default: 50, format: 'nat', doc: "size at which containerd's log is cut" },
  },
  flags: {
    'containerd-binaries': {
      option: 'binaries',
      kind: 'string',
      summary: 'containerd and runc: "private" copies, or those on "path"',
    },
    'container-runtime-endpoint': { option: 'endpoint', kind: 'string', summary: 'socket of a containerd that runs already' },
    'image-service-endpoint': {
      option: 'imageEndpoint',
      kind: 'string',
      summary: 'socket of an image service that puts images into containerd in its place',
    },
    'pause-image': { option: 'pauseImage', kind: 'string', summary: 'image of the sandbox container' },
    snapshotter: { option: 'snapshotter', kind: 'string', summary: 'snapshotter of containerd (overlayfs, native)' },
  },
  deadlinesMs: { start: 90_000, ready: 30_000 },
  load: () => import('./containerd-module.js'),
});
