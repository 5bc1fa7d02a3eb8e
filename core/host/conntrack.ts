import type { Commands } from './commands.js';

/** A UDP flow that the kernel tracks. */
export interface UdpFlow {
  readonly family: 4 | 6;
  readonly source: string;
  readonly sourcePort: number;
  /** Where its packets were sent. */
  readonly destination: string;
  readonly destinationPort: number;
  /** Who answers: the destination, or what it was translated to. */
  readonly answerer: string;
  readonly answererPort: number;
}

/** The kernel's table of connections. Source: conntrack(8). */
export interface Conntrack {
  /** Errors: `COMMAND_MISSING` (then translations of UDP outlive their endpoints), `COMMAND_FAILED`. */
  udpFlows(family: 4 | 6): Promise<readonly UdpFlow[]>;
  /** Forgets flows, so that their next packet is judged anew. Ones that are gone already are fine. */
  forget(flows: readonly UdpFlow[]): Promise<void>;
}

/** By the program conntrack. */
export class ConntrackCommand implements Conntrack {
  readonly #commands: Commands;

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  async udpFlows(family: 4 | 6): Promise<readonly UdpFlow[]> {
    const words = ['-L', '-f', familyName(family), '-p', 'udp'];
    const { stdout } = await this.#commands.run({ command: 'conntrack', arguments: words });
    return stdout.split('\n').flatMap(line => parseUdpFlow(line, family) ?? []);
  }

  async forget(flows: readonly UdpFlow[]): Promise<void> {
    for (const flow of flows) {
      const origin = ['-s', flow.source, '--sport', String(flow.sourcePort)];
      const target = ['-d', flow.destination, '--dport', String(flow.destinationPort)];
      const words = ['-D', '-f', familyName(flow.family), '-p', 'udp', ...origin, ...target];
      // 1: there was none.
      await this.#commands.run({ command: 'conntrack', arguments: words, acceptedExitCodes: [0, 1] });
    }
  }
}

/** One line of `conntrack -L -p udp`; undefined for anything else. */
export function parseUdpFlow(line: string, family: 4 | 6): UdpFlow | undefined {
  if (!line.startsWith('udp ')) return undefined;
  const values = (key: string): string[] =>
    line
      .split(/\s+/)
      .filter(word => word.startsWith(`${key}=`))
      .map(word => word.slice(key.length + 1));
  const [source, answerer] = values('src');
  const [destination] = values('dst');
  const [sourcePort, answererPort] = values('sport').map(Number);
  const [destinationPort] = values('dport').map(Number);
  if (!source || !destination || !answerer || !sourcePort || !destinationPort || !answererPort) return undefined;
  return { family, source, sourcePort, destination, destinationPort, answerer, answererPort };
}

/** Keeps what was forgotten; the flows are set by the test. */
export class RecordingConntrack implements Conntrack {
  flows: UdpFlow[] = [];
  readonly forgotten: UdpFlow[] = [];

  async udpFlows(family: 4 | 6): Promise<readonly UdpFlow[]> {
    return this.flows.filter(flow => flow.family === family);
  }

  async forget(flows: readonly UdpFlow[]): Promise<void> {
    this.forgotten.push(...flows);
    this.flows = this.flows.filter(flow => !flows.includes(flow));
  }
}

const familyName = (family: 4 | 6): string => (family === 4 ? 'ipv4' : 'ipv6');
