import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cni } from '../../core/contracts/cni.js';
import { runTool } from '../../core/testing/cni-pods.js';
import type { CniUnderTest } from '../../core/testing/cni-suite.js';

export interface Fault {
  readonly name: string;
  /** All cases of the suite that notice it, in their order. */
  readonly noticedBy: readonly string[];
  /** Of `cni-faulty-program.ts`. */
  readonly program?: string;
  readonly range?: string;
  readonly configurationName?: string;
  /** What a new start does to the network. */
  restart?(network: FolderNetwork): Promise<Cni>;
}

const soundProgram = fileURLToPath(new URL('../../core/cli/templates/cni/src/cni-program.js', import.meta.url));
const faultyProgram = fileURLToPath(new URL('./cni-faulty-program.js', import.meta.url));
const bridge = 'faults0';

/** A pod network without a part: what the template would install, with a fault in it. */
class FolderNetwork {
  readonly directory: string;
  readonly #fault: Fault;

  constructor(directory: string, fault: Fault) {
    this.directory = directory;
    this.#fault = fault;
  }

  get cni(): Cni {
    const { directory } = this;
    return { paths: { configurationDirectory: directory, binaryDirectories: [join(directory, 'bin')] } };
  }

  get range(): string {
    return this.#fault.range ?? '10.98.0.0/24';
  }

  async install(name = this.#fault.configurationName ?? 'faults'): Promise<void> {
    const { directory, range } = this;
    await mkdir(join(directory, 'bin'), { recursive: true });
    const script = `#!/bin/sh\nexec "${process.execPath}" "${faultyProgram}" "${this.#fault.program ?? 'none'}" "${soundProgram}"\n`;
    await writeFile(join(directory, 'bin', 'faulty'), script, { mode: 0o755 });
    const plugin = { type: 'faulty', bridge, range, dataDirectory: join(directory, 'addresses') };
    await writeFile(join(directory, '10.conflist'), JSON.stringify({ cniVersion: '1.0.0', name, plugins: [plugin] }));
  }
}

/** In the network namespace of this process, which must be one of its own. */
export async function faultyCni(fault: Fault): Promise<CniUnderTest> {
  const network = new FolderNetwork(await mkdtemp(join(tmpdir(), 'cni-faults-')), fault);
  await network.install();
  return {
    cni: network.cni,
    podCidrs: [network.range],
    wiresPods: true,
    restart: async () => (fault.restart ? fault.restart(network) : network.cni),
    // What a fault keeps silent about is waited for in vain.
    ...(fault.noticedBy.length > 0 && { patienceMs: 2000 }),
    async dispose() {
      await rm(network.directory, { recursive: true, force: true });
      for (const link of JSON.parse(await runTool('ip', '-json', 'link')) as { ifname: string }[]) {
        // The other end of a pair goes with the first.
        if (link.ifname !== 'lo') await runTool('ip', 'link', 'delete', link.ifname).catch(() => undefined);
      }
    },
  };
}

const goes = 'a pod that goes leaves nothing, and goes twice without an error';
const together = 'pods that come together have addresses of their own, and reach each other and the node';
const newStart = 'pods go on over a new start, and keep their addresses to themselves';

export const faults: readonly Fault[] = [
  {
    name: 'has other folders after a new start',
    noticedBy: ['are known at once, and the same after a new start'],
    restart: async ({ cni: { paths } }) => ({
      paths: { ...paths, binaryDirectories: [...paths.binaryDirectories, '/opt/cni/bin'] },
    }),
  },
  {
    name: 'writes a configuration without a name',
    noticedBy: ['hold a configuration as soon as the node has its range'],
    configurationName: '',
  },
  {
    name: 'writes another configuration at a new start',
    noticedBy: ['hold the same configuration after a new start'],
    restart: async network => {
      await network.install('another');
      return network.cni;
    },
  },
  {
    name: 'installs a plugin of another version',
    noticedBy: ['hold the plugins that the configuration names, of its version'],
    program: 'old-version',
  },
  {
    name: 'gives addresses of another range',
    noticedBy: ["a pod has an address of the node's range on its link, and a way out"],
    program: 'another-range',
  },
  {
    name: 'gives pods no way out',
    noticedBy: ["a pod has an address of the node's range on its link, and a way out"],
    program: 'no-way-out',
  },
  { name: 'gives one address to all', noticedBy: [together, newStart], program: 'one-address' },
  { name: 'keeps the links of pods that went', noticedBy: [goes], program: 'keeps-links' },
  { name: 'takes a pod away once', noticedBy: [goes], program: 'goes-once' },
  {
    name: 'keeps the addresses of pods that went',
    noticedBy: ['what pods leave is given to others, and a pod too many is told'],
    program: 'keeps-addresses',
    range: '10.98.0.0/29',
  },
  {
    name: 'leaves half of what it could not make',
    noticedBy: ['a pod that cannot be wired is told, and leaves nothing'],
    program: 'leaves-halves',
  },
  {
    name: 'makes the network anew at every start',
    noticedBy: [newStart],
    restart: async ({ cni }) => {
      // There is none before the first pod.
      await runTool('ip', 'link', 'delete', bridge).catch(() => undefined);
      return cni;
    },
  },
];
