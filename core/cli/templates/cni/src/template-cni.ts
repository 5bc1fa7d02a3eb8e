import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, errorText, Resources, SharedInformer } from 'k3s-ts/plugin';
import type { ApiTransport, Clock, ClusterPaths, Cni, CniPaths, Ledger, Logger, Node, Part } from 'k3s-ts/plugin';

export interface TemplateCniOptions {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ledger: Ledger;
  readonly clusterPaths: ClusterPaths;
  readonly nodeName: string;
}

const bridge = 'pods0';
/** Names the program in the folder of CNI plugins. */
const type = 'template-cni';

/**
 * Installs `cni-program.js` as a CNI plugin, and a configuration for it as soon as the node has its range of pod addresses. The
 * runtime does the rest: it runs the program for each pod. Ways to the pods of other nodes begin in `#configure`.
 */
export class TemplateCni implements Cni, Part {
  readonly paths: CniPaths;
  readonly #options: TemplateCniOptions;
  #nodes: SharedInformer<Node> | undefined;
  #configured = '';
  #working: Promise<void> = Promise.resolve();

  constructor(options: TemplateCniOptions) {
    this.#options = options;
    const { agent } = options.clusterPaths;
    this.paths = {
      configurationDirectory: join(agent.etcDir, 'cni', 'net.d'),
      binaryDirectories: [join(agent.dir, 'cni', 'bin')],
    };
  }

  /** Does not wait for the range: the node gets it when it has registered, and for that its runtime must run. */
  async start(): Promise<void> {
    const program = fileURLToPath(new URL('./cni-program.js', import.meta.url));
    await this.#install(
      join(this.paths.binaryDirectories[0]!, type),
      `#!/bin/sh\nexec "${process.execPath}" "${program}"\n`,
      0o755,
    );
    await mkdir(this.paths.configurationDirectory, { recursive: true });
    const { transport, clock, logger, nodeName } = this.#options;
    const identity = { name: `system:node:${nodeName}`, groups: ['system:nodes', 'system:authenticated'] };
    this.#nodes = new SharedInformer({
      client: new Client(transport, identity, 'template-cni'),
      clock,
      logger,
      resource: Resources.Nodes,
      fieldSelector: `metadata.name=${nodeName}`,
    });
    this.#nodes.addHandler({ added: entry => this.#see(entry.object), updated: (_, entry) => this.#see(entry.object) });
    this.#nodes.start();
  }

  /** The network stays: pods may outlive this process. */
  async stop(): Promise<void> {
    await this.#nodes?.stop();
    this.#nodes = undefined;
    await this.#working;
    this.#configured = '';
  }

  #see(node: Node): void {
    const range = node.spec.podCIDRs?.find(each => !each.includes(':'));
    if (range === undefined || range === this.#configured) return;
    this.#configured = range;
    this.#working = this.#working
      .then(() => this.#configure(range))
      .catch((error: unknown) => this.#options.logger.error('the pod network cannot be configured', { error: errorText(error) }));
  }

  async #configure(range: string): Promise<void> {
    const { ledger, logger, clusterPaths } = this.#options;
    const dataDirectory = join(clusterPaths.agent.dir, 'cni', 'addresses');
    // What is on record goes when the plugin does.
    await ledger.record('link', bridge);
    await ledger.record('directory', dataDirectory);
    const configuration = { cniVersion: '1.0.0', name: type, plugins: [{ type, bridge, range, dataDirectory }] };
    await this.#install(join(this.paths.configurationDirectory, `10-${type}.conflist`), JSON.stringify(configuration), 0o600);
    logger.info('pod network configured', { range });
  }

  /** In one step, so that the runtime never reads half of a file. */
  async #install(file: string, text: string, mode: number): Promise<void> {
    await this.#options.ledger.record('file', file);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, text, { mode });
    await rename(`${file}.new`, file);
  }
}
