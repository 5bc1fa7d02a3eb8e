import { CodedError } from '../base/errors.js';
import type { Commands } from './commands.js';

/** A network interface, as `ip -j -d addr` shows it. */
export interface Link {
  readonly name: string;
  readonly index: number;
  readonly mtu: number;
  readonly up: boolean;
  /** Hardware address; undefined for those without. */
  readonly address: string | undefined;
  /** `bridge`, `veth`, `vxlan` ...; undefined for physical ones. */
  readonly kind: string | undefined;
  /** What only this kind has (`id`, `local`, `port` of a vxlan). */
  readonly details: Readonly<Record<string, unknown>>;
  readonly addresses: readonly LinkAddress[];
}

export interface LinkAddress {
  readonly family: 'inet' | 'inet6';
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: string;
}

export interface Route {
  /** A range, an address, or `default`. */
  readonly destination: string;
  readonly gateway: string | undefined;
  readonly link: string | undefined;
  readonly protocol: string | undefined;
  readonly preferredSource: string | undefined;
}

/** One line for `ip -batch` or `bridge -batch`, word by word: `['route', 'replace', '10.42.1.0/24', 'via', '192.0.2.7']`. */
export type LinkChange = readonly string[];

export type IpFamily = 4 | 6;

/** Links, addresses, routes, neighbours and bridge entries. Source: ip(8), bridge(8). */
export interface Links {
  list(): Promise<readonly Link[]>;
  get(name: string): Promise<Link | undefined>;
  /** Routes of the main table. */
  routes(family: IpFamily): Promise<readonly Route[]>;
  /** The route that a packet of this machine to `address` takes, undefined when there is none. */
  routeTo(address: string): Promise<Route | undefined>;
  /** All changes by one `ip -batch`, stopping at the first that fails. Errors: `COMMAND_FAILED`, `LINK_CHANGE_INVALID`. */
  apply(changes: readonly LinkChange[]): Promise<void>;
  /** The same for `bridge -batch` (`['fdb', 'replace', ...]`). */
  applyBridge(changes: readonly LinkChange[]): Promise<void>;
  /** One that is not there is fine. */
  remove(name: string): Promise<void>;
  removeRoute(family: IpFamily, destination: string, link?: string): Promise<void>;
}

/** Links by the programs ip and bridge. */
export class IpCommand implements Links {
  readonly #commands: Commands;

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  async list(): Promise<readonly Link[]> {
    return (await this.#json(['-d', 'addr', 'show'])).map(toLink);
  }

  async get(name: string): Promise<Link | undefined> {
    return (await this.list()).find(link => link.name === name);
  }

  async routes(family: IpFamily): Promise<readonly Route[]> {
    return (await this.#json([`-${family}`, 'route', 'show'])).map(toRoute);
  }

  async routeTo(address: string): Promise<Route | undefined> {
    checkWord(address);
    const acceptedExitCodes = [0, 1, 2];
    const { exitCode, stdout } = await this.#commands.run({
      command: 'ip',
      arguments: ['-j', 'route', 'get', address],
      acceptedExitCodes,
    });
    return exitCode === 0 ? (JSON.parse(stdout) as RawObject[]).map(toRoute)[0] : undefined;
  }

  apply(changes: readonly LinkChange[]): Promise<void> {
    return this.#batch('ip', changes);
  }

  applyBridge(changes: readonly LinkChange[]): Promise<void> {
    return this.#batch('bridge', changes);
  }

  async remove(name: string): Promise<void> {
    if (await this.get(name)) await this.apply([['link', 'delete', 'dev', name]]);
  }

  async removeRoute(family: IpFamily, destination: string, link?: string): Promise<void> {
    const routes = await this.routes(family);
    for (const route of routes) {
      if (route.destination !== destination || (link !== undefined && route.link !== link)) continue;
      const words = [`-${family}`, 'route', 'delete', destination, ...(route.link ? ['dev', route.link] : [])];
      await this.#commands.run({ command: 'ip', arguments: words });
    }
  }

  async #json(words: readonly string[]): Promise<RawObject[]> {
    const { stdout } = await this.#commands.run({ command: 'ip', arguments: ['-j', ...words] });
    // Objects that ip filters out are printed as empty ones.
    return (JSON.parse(stdout || '[]') as RawObject[]).filter(object => Object.keys(object).length > 0);
  }

  async #batch(command: 'ip' | 'bridge', changes: readonly LinkChange[]): Promise<void> {
    if (changes.length === 0) return;
    for (const change of changes) change.forEach(checkWord);
    const input = changes.map(change => change.join(' ') + '\n').join('');
    await this.#commands.run({ command, arguments: ['-batch', '-'], input });
  }
}

/** Keeps changes for tests; what is there is set by the test. */
export class RecordingLinks implements Links {
  readonly changes: string[] = [];
  readonly links: Link[] = [];
  readonly knownRoutes: (Route & { readonly family: IpFamily })[] = [];

  async list(): Promise<readonly Link[]> {
    return this.links;
  }
  async get(name: string): Promise<Link | undefined> {
    return this.links.find(link => link.name === name);
  }
  async routes(family: IpFamily): Promise<readonly Route[]> {
    return this.knownRoutes.filter(route => route.family === family);
  }
  async routeTo(): Promise<Route | undefined> {
    return this.knownRoutes.find(route => route.destination === 'default');
  }
  async apply(changes: readonly LinkChange[]): Promise<void> {
    for (const change of changes) {
      change.forEach(checkWord);
      this.changes.push(`ip ${change.join(' ')}`);
    }
  }
  async applyBridge(changes: readonly LinkChange[]): Promise<void> {
    for (const change of changes) {
      change.forEach(checkWord);
      this.changes.push(`bridge ${change.join(' ')}`);
    }
  }
  async remove(name: string): Promise<void> {
    this.changes.push(`ip link delete dev ${name}`);
  }
  async removeRoute(family: IpFamily, destination: string): Promise<void> {
    this.changes.push(`ip -${family} route delete ${destination}`);
  }
}

type RawObject = Readonly<Record<string, unknown>>;

function toLink(raw: RawObject): Link {
  const info = raw['linkinfo'] as { info_kind?: string; info_data?: Record<string, unknown> } | undefined;
  const addresses = (raw['addr_info'] as RawObject[] | undefined) ?? [];
  return {
    name: raw['ifname'] as string,
    index: raw['ifindex'] as number,
    mtu: raw['mtu'] as number,
    up: ((raw['flags'] as string[] | undefined) ?? []).includes('UP'),
    address: raw['address'] as string | undefined,
    kind: info?.info_kind,
    details: info?.info_data ?? {},
    addresses: addresses
      .filter(address => address['family'] === 'inet' || address['family'] === 'inet6')
      .map(address => ({
        family: address['family'] as 'inet' | 'inet6',
        address: address['local'] as string,
        prefixLength: address['prefixlen'] as number,
        scope: address['scope'] as string,
      })),
  };
}

function toRoute(raw: RawObject): Route {
  return {
    destination: raw['dst'] as string,
    gateway: raw['gateway'] as string | undefined,
    link: raw['dev'] as string | undefined,
    protocol: raw['protocol'] as string | undefined,
    preferredSource: raw['prefsrc'] as string | undefined,
  };
}

/** A word of a batch line: ip splits lines at blanks and knows quotes and comments, so none of them may be inside. */
function checkWord(word: string): void {
  if (!/^[A-Za-z0-9_.:/@%,+-]+$/.test(word)) {
    throw new CodedError('LINK_CHANGE_INVALID', `${JSON.stringify(word)} cannot be a word of an ip command`);
  }
}
