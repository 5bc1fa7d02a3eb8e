import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CodedError, errorText } from '../../../core/plugin-api/index.js';
import type { Clock, ClusterPaths, CniPaths, Logger, Part } from '../../../core/plugin-api/index.js';
import { HostCommands } from '../../../core/host/commands.js';
import { filesIn } from '../../../core/host/debian-packages.js';
import { mountPoints } from '../../../core/host/mounts.js';
import { ProcessSupervisor } from '../../../core/host/process-supervisor.js';
import { AirgapImages } from './airgap-images.js';
import { checkBinaries, childEnvironment, installCniPlugins, prepareBinaries } from './binaries.js';
import type { RuntimeBinaries } from './binaries.js';
import { containerdConfig, mustRestrictOomScoreAdjust } from './containerd-config.js';
import { ContainerdRuntime } from './containerd-runtime.js';
import { checkImageService, inspectForeign, socketOf } from './foreign-containerd.js';
import type { ForeignContainerd } from './foreign-containerd.js';
import { ImageMounts } from './image-mounts.js';
import { ImageService } from './image-service.js';
import type { ContainerdPluginOptions } from './index.js';
import { LostShims } from './lost-shims.js';
import { pauseArchive, pauseImage } from './pause-image.js';
import { authSection, hostsFiles, readRegistries, writeHostsFiles } from './registries.js';
import { sweep } from './sweep.js';
import { GrpcChannel } from './wire/grpc-channel.js';

export interface ContainerdPartOptions {
  readonly paths: Pick<ClusterPaths, 'runDir' | 'binDir' | 'registriesFile' | 'agent'>;
  readonly options: ContainerdPluginOptions;
  readonly cni: CniPaths;
  /** Tools that k3s brought along go before those of the host. */
  readonly preferBundledBin?: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Path of the network namespace that containerd is to run in, for tests with several nodes on one machine. */
  readonly networkNamespace?: string;
}

/**
 * A containerd of our own: its files, its process, and the runtime that talks to it. `stop` leaves it and its pods running. With an
 * `endpoint` it is one that somebody else runs: nothing is written for it, no archive imported, and it is never ended.
 */
export class ContainerdPart implements Part {
  readonly runtime: ContainerdRuntime;
  /** Where containerd answers. */
  readonly socket: string;
  readonly #options: ContainerdPartOptions;
  readonly #images: ImageService;
  readonly #airgap: AirgapImages;
  readonly #lostShims: LostShims;
  readonly #channel: GrpcChannel;
  /** Of the image service, where it is another than containerd's. */
  readonly #imageChannel: GrpcChannel | undefined;
  #binaries: RuntimeBinaries | undefined;
  #supervisor: ProcessSupervisor | undefined;
  #foreign: ForeignContainerd | undefined;

  constructor(options: ContainerdPartOptions) {
    const { clock, logger, paths } = options;
    this.#options = options;
    this.socket = options.options.endpoint ? socketOf(options.options.endpoint) : join(this.#runDirectory, 'containerd.sock');
    this.#channel = new GrpcChannel(this.socket);
    const snapshotter = (): string => this.#foreign?.snapshotter ?? options.options.snapshotter;
    const images = {
      channel: this.#channel,
      socket: this.socket,
      snapshotter,
      program: () => this.#program(),
      isPinned: (name: string): boolean => name === this.#sandboxImage || this.#airgap.brought(name),
    };
    // Archives and the image of sandboxes are put into containerd, whoever brings the images of pods.
    this.#images = new ImageService(images);
    const { imageEndpoint } = options.options;
    if (imageEndpoint) this.#imageChannel = new GrpcChannel(socketOf(imageEndpoint, '--image-service-endpoint'));
    this.runtime = new ContainerdRuntime({
      channel: this.#channel,
      images: this.#imageChannel ? new ImageService({ ...images, channel: this.#imageChannel }) : this.#images,
      imageMounts: new ImageMounts({
        channel: this.#channel,
        snapshotter,
        commands: new HostCommands({ preferBundledBin: options.preferBundledBin ?? false }),
        mountPoints,
      }),
      clock,
      logger,
      fifoDirectory: this.#fifoDirectory,
      appArmor: hasAppArmor(),
      arrived: async () => (options.options.endpoint ? undefined : this.#airgap.arrived()),
    });
    this.#lostShims = new LostShims({ channel: this.#channel, socket: this.socket, clock, logger });
    this.#airgap = new AirgapImages({
      directory: paths.agent.imagesDir,
      recordFile: join(paths.agent.etcDir, 'containerd', 'images.json'),
      importer: this.#images,
      clock,
      logger,
    });
  }

  /** What it was made with. */
  get settings(): ContainerdPartOptions {
    return this.#options;
  }

  get #runDirectory(): string {
    return join(this.#options.paths.runDir, 'containerd');
  }

  get #fifoDirectory(): string {
    return join(this.#runDirectory, 'exec');
  }

  get #sandboxImage(): string {
    return this.#foreign?.sandboxImage ?? (this.#options.options.pauseImage || pauseImage);
  }

  async init(): Promise<void> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) {
      throw new CodedError('RUNTIME_NEEDS_ROOT', 'containerd needs root on Linux', {
        mend: 'start with sudo, or with --preset sandbox, which simulates containers',
      });
    }
    const { options, cni, logger } = this.#options;
    if (options.endpoint) {
      this.#foreign = await inspectForeign(this.#channel, options.endpoint, cni);
      const own = options.pauseImage === '' ? [] : ['its own configuration names its sandbox image, not --pause-image'];
      for (const warning of [...own, ...this.#foreign.warnings])
        logger.warn(`--container-runtime-endpoint ${options.endpoint}: ${warning}`);
      return;
    }
    const filesystems = readFileSync('/proc/filesystems', 'utf8');
    if (this.#options.options.snapshotter === 'overlayfs' && !/\boverlay$/m.test(filesystems)) await this.#loadOverlay();
    if (this.socket.length > 100) {
      throw new CodedError('RUNTIME_PATH_TOO_LONG', `${this.socket} is too long for a socket`, {
        mend: 'choose a shorter --data-dir',
      });
    }
    await checkBinaries(this.#options.options.binaries);
  }

  async #loadOverlay(): Promise<void> {
    const { execFile } = await import('node:child_process');
    const loaded = await new Promise<boolean>(resolve => execFile('modprobe', ['overlay'], error => resolve(!error)));
    if (loaded) return;
    throw new CodedError('RUNTIME_KERNEL', 'this kernel has no overlay file system', {
      mend: 'load the module "overlay", or start with --snapshotter native',
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { options, paths, logger } = this.#options;
    if (options.endpoint) await this.#endOwn(signal);
    // FIFOs of execs whose server died.
    await rm(this.#fifoDirectory, { recursive: true, force: true });
    if (options.endpoint) {
      await installCniPlugins(paths.binDir);
      logger.info('a containerd that runs already is used', { socket: this.socket, version: this.#foreign?.version });
      return this.runtime.start();
    }
    this.#binaries = await prepareBinaries(options.binaries, paths.binDir, this.#options.preferBundledBin);
    this.#supervisor?.release();
    this.#supervisor = await this.#prepare(this.#binaries);
    const how = await this.#supervisor.start(signal);
    logger.info(`containerd ${how}`, { pid: this.#supervisor.pid });
    if (this.#sandboxImage === pauseImage && !(await this.#images.find(pauseImage))) {
      await this.#images.importBytes(await pauseArchive());
    }
    await this.runtime.start();
    this.#lostShims.look();
    this.#airgap.start();
  }

  /** The runtime says ready, which it does when its images and snapshots can be read; the network may come later. */
  async ready(): Promise<void> {
    const { ready, message } = await this.runtime.status();
    if (!ready) throw new CodedError('RUNTIME_UNAVAILABLE', `containerd is not ready: ${message}`);
    // Not before: one that stands in front of containerd needs it first.
    if (this.#imageChannel) await checkImageService(this.#imageChannel, this.#options.options.imageEndpoint);
  }

  /** One of ours that an earlier server ran is not needed any more, and neither are its pods: they would run twice. */
  async #endOwn(signal: AbortSignal): Promise<void> {
    const { options, logger } = this.#options;
    if (!existsSync(join(this.#runDirectory, 'owner.json'))) return;
    logger.info('ending our own containerd and its pods', { instead: this.socket });
    await new ContainerdPart({ ...this.#options, options: { ...options, endpoint: '' } }).removeAll(signal);
  }

  async stop(): Promise<void> {
    this.#lostShims.stop();
    await this.#airgap.stop();
    this.runtime.stop();
    this.#supervisor?.release();
  }

  /**
   * Removes all pods and ends containerd, where it is ours; images stay. For that it is started once more when it has died; when it does not come up,
   * its processes and mounts are removed without it.
   */
  async removeAll(signal: AbortSignal): Promise<void> {
    const { logger, paths } = this.#options;
    try {
      await this.start(signal);
      await this.#airgap.stop();
      const sandboxes = await this.runtime.listSandboxes();
      await Promise.all(
        sandboxes.map(async ({ id }) => {
          await this.runtime.stopSandbox(id);
          await this.runtime.removeSandbox(id);
        }),
      );
    } catch (error) {
      logger.warn('containerd does not answer; what it runs is removed without it', { error: errorText(error) });
    }
    await this.stop();
    this.#imageChannel?.close();
    if (this.#options.options.endpoint) return this.#channel.close();
    await this.#supervisor?.kill(signal);
    this.#channel.close();
    await sweep(this.socket, this.#runDirectory, [this.#runDirectory, paths.agent.containerdDir]);
    await rm(this.#runDirectory, { recursive: true, force: true });
  }

  async #prepare(binaries: RuntimeBinaries): Promise<ProcessSupervisor> {
    const { options, paths, cni, logger, clock, networkNamespace } = this.#options;
    const root = paths.agent.containerdDir;
    const registryDirectory = join(paths.agent.etcDir, 'containerd', 'certs.d');
    const registries = await readRegistries(paths.registriesFile);
    const { files, warnings } = hostsFiles(registries);
    for (const warning of warnings) logger.warn(warning);
    for (const folder of [root, this.#runDirectory]) await mkdir(folder, { recursive: true, mode: 0o711 });
    await writeHostsFiles(registryDirectory, files);
    const config =
      containerdConfig({
        root,
        state: this.#runDirectory,
        socket: this.socket,
        snapshotter: options.snapshotter,
        sandboxImage: this.#sandboxImage,
        runc: binaries.runc,
        cniBinaryDirectory: await mergedBinaryDirectory(cni, join(paths.agent.etcDir, 'containerd', 'cni-bin')),
        cniConfigurationDirectory: cni.configurationDirectory,
        registryDirectory,
        restrictOomScoreAdjust: await mustRestrictOomScoreAdjust(),
      }) + authSection(registries);
    const configFile = join(paths.agent.etcDir, 'containerd', 'config.toml');
    await writeFile(configFile, config, { mode: 0o600 });
    const environment = childEnvironment(binaries);
    const fingerprint = createHash('sha256').update(`${binaries.version}\n${config}\n${environment['PATH']}`).digest('hex');
    return new ProcessSupervisor(
      {
        name: 'containerd',
        command: binaries.containerd,
        args: ['--config', configFile],
        environment,
        mark: configFile,
        fingerprint,
        ownerFile: join(this.#runDirectory, 'owner.json'),
        logFile: paths.agent.containerdLogFile,
        logLimitBytes: options.logLimitMegabytes * 1024 * 1024,
        ...(networkNamespace !== undefined && { networkNamespace }),
        answers: async () => {
          if (!existsSync(this.socket)) return false;
          const { status } = await this.#channel.call('Status', {}, { timeoutMs: 5000 });
          return status !== undefined;
        },
      },
      { clock, logger, onRestarted: () => this.#restarted() },
    );
  }

  #restarted(): void {
    this.#options.logger.info('containerd is back', { pid: this.#supervisor?.pid });
    this.#lostShims.look();
  }

  #program(): Pick<RuntimeBinaries, 'ctr' | 'environment' | 'importArguments'> {
    if (!this.#binaries) throw new CodedError('RUNTIME_UNAVAILABLE', 'containerd has not been started');
    const { ctr, importArguments } = this.#binaries;
    return { ctr, importArguments, environment: childEnvironment(this.#binaries) };
  }
}

function hasAppArmor(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
  } catch {
    // Not built into this kernel.
    return false;
  }
}

/** containerd 1.6 takes one folder of CNI plugins; of several, links are gathered in one, the first of a name wins. */
async function mergedBinaryDirectory(cni: CniPaths, merged: string): Promise<string> {
  const [first, ...others] = cni.binaryDirectories;
  if (others.length === 0) return first ?? '/opt/cni/bin';
  await rm(merged, { recursive: true, force: true });
  await mkdir(merged, { recursive: true, mode: 0o755 });
  for (const folder of cni.binaryDirectories) {
    const present = new Set(await readdir(merged));
    for (const file of await filesIn(folder)) {
      if (!present.has(basename(file))) await symlink(file, join(merged, basename(file)));
    }
  }
  return merged;
}
