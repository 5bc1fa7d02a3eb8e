import type { DnsForward, DnsHosts, DnsServerBlock } from './dataplane/state.js';

/** What keys of ConfigMap coredns-custom say, as far as it is served here, and in words what is not. */
export interface CustomConfiguration {
  readonly hosts: readonly DnsHosts[];
  readonly forwards: readonly DnsForward[];
  readonly servers: readonly DnsServerBlock[];
  readonly problems: readonly string[];
}

interface Directive {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly body: readonly Directive[] | undefined;
}

type Sections = { hosts: DnsHosts[]; forwards: DnsForward[] };

/** Directives that change nothing of what is answered, or whose effect is ours anyway. */
const granted = new Set(['cache', 'errors', 'health', 'loadbalance', 'loop', 'prometheus', 'ready', 'reload']);
/** How CoreDNS watches its upstream servers; ours are watched by what they answer. */
const grantedOfForward = new Set(['expire', 'health_check', 'max_concurrent', 'max_fails', 'max_idle_conns', 'prefer_udp']);
const defaultHostsTtlSeconds = 3600;
const deepest = 4;

/** `*.override` are parts of the main server block, `*.server` are blocks of their own; other keys are no configuration. */
export function readCustomConfiguration(data: Readonly<Record<string, string>>): CustomConfiguration {
  const problems: string[] = [];
  const main: Sections = { hosts: [], forwards: [] };
  const servers: DnsServerBlock[] = [];
  for (const [key, text] of Object.entries(data).sort(([left], [right]) => (left < right ? -1 : 1))) {
    const isServer = key.endsWith('.server');
    if (!isServer && !key.endsWith('.override')) continue;
    const report = (problem: string): void => void problems.push(`${key}: ${problem}`);
    let directives: Directive[];
    try {
      directives = parse(text);
    } catch (error) {
      report((error as Error).message);
      continue;
    }
    if (!isServer) for (const directive of directives) readDirective(directive, main, true, report);
    else {
      for (const block of directives) {
        const server = readServer(block, report);
        if (server) servers.push(server);
      }
    }
  }
  return { ...main, servers, problems };
}

function readServer({ name, arguments: more, body }: Directive, report: (problem: string) => void): DnsServerBlock | undefined {
  const zones: string[] = [];
  for (const given of [name, ...more].flatMap(part => part.split(',')).filter(part => part !== '')) {
    const match = /^(?:dns:\/\/)?(.*?)(?::(\d+))?$/.exec(given)!;
    const [, zone = '', port = '53'] = match;
    if (given.includes('://') && !given.startsWith('dns://')) report(`the server ${given}: only plain DNS is served`);
    else if (port !== '53') report(`the server ${given}: only port 53 is served`);
    else if (zone === '.' || zone === '')
      report(`the server ${given}: the root is the main server block's, use a key *.override`);
    else zones.push(...zoneNames(zone));
  }
  if (!body) {
    report(`the server ${name} has no block in braces`);
    return undefined;
  }
  const sections: Sections = { hosts: [], forwards: [] };
  for (const directive of body) readDirective(directive, sections, false, report);
  return zones.length > 0 ? { zones, ...sections } : undefined;
}

function readDirective(directive: Directive, into: Sections, isMain: boolean, report: (problem: string) => void): void {
  const { name } = directive;
  if (name === 'hosts') {
    const hosts = readHosts(directive, isMain, report);
    if (hosts) into.hosts.push(hosts);
  } else if (name === 'forward') {
    const forward = readForward(directive, report);
    if (forward) into.forwards.push(forward);
  } else if (!granted.has(name)) report(`"${name}" is not built, only hosts and forward are`);
}

function readHosts(
  { arguments: given, body = [] }: Directive,
  isMain: boolean,
  report: (problem: string) => void,
): DnsHosts | undefined {
  if (given.length > 0) {
    report(`hosts ${given.join(' ')}: files and zones are not built, only lines in braces`);
    if (given[0]!.startsWith('/') && body.length === 0) return undefined;
  }
  const entries: { address: string; names: string[] }[] = [];
  // What the main block does not know, the cluster's zone and other servers may.
  let fallthrough = isMain;
  let reverse = true;
  let ttlSeconds = defaultHostsTtlSeconds;
  for (const { name, arguments: values } of body) {
    if (/^[0-9a-fA-F.:]+$/.test(name) && /[.:]/.test(name)) entries.push({ address: name, names: [...values] });
    else if (name === 'fallthrough') fallthrough = true;
    else if (name === 'no_reverse') reverse = false;
    else if (name === 'ttl' && /^\d+$/.test(values[0] ?? '')) ttlSeconds = Number(values[0]);
    else if (name !== 'reload') report(`hosts: "${[name, ...values].join(' ')}" is not understood`);
  }
  return { entries, ttlSeconds, fallthrough, reverse };
}

function readForward({ arguments: given, body = [] }: Directive, report: (problem: string) => void): DnsForward | undefined {
  const [from, ...targets] = given;
  if (from === undefined || targets.length === 0) {
    report('forward needs a zone and at least one server');
    return undefined;
  }
  const to = targets.filter(target => {
    const isPlain = target.startsWith('/') || /^(dns:\/\/)?(\[[0-9a-fA-F:.%]+\]|[0-9a-fA-F:.]+|[0-9.]+)(:\d+)?$/.test(target);
    if (!isPlain) report(`forward ${from}: ${target} is not built, only addresses and files like resolv.conf are`);
    return isPlain;
  });
  let except: readonly string[] = [];
  let policy: DnsForward['policy'] = 'random';
  let forceTcp = false;
  for (const { name, arguments: values } of body) {
    const [value] = values;
    if (name === 'except') except = [...except, ...values.flatMap(zoneNames)];
    else if (name === 'force_tcp') forceTcp = true;
    else if (name === 'policy' && (value === 'random' || value === 'round_robin' || value === 'sequential')) policy = value;
    else if (!grantedOfForward.has(name)) report(`forward ${from}: "${name}" is not built`);
  }
  if (to.length === 0) return undefined;
  return { from: zoneNames(from)[0] ?? '', to, except, policy, forceTcp };
}

/** A zone as the lookups know it; a range of addresses stands for the names of its reverse zone. */
function zoneNames(zone: string): string[] {
  const range = /^(\d+(?:\.\d+){3})\/(8|16|24)$/.exec(zone);
  if (!range) return [zone.toLowerCase().replace(/\.$/, '')];
  const labels = range[1]!.split('.').slice(0, Number(range[2]) / 8);
  return [`${labels.reverse().join('.')}.in-addr.arpa`];
}

/** Lines of words, quoted or not, with blocks in braces. Throws an Error in words. */
function parse(text: string): Directive[] {
  const lines = text
    .split('\n')
    .map(words)
    .filter(line => line.length > 0);
  let at = 0;
  const block = (depth: number): Directive[] => {
    const directives: Directive[] = [];
    while (at < lines.length) {
      const line = lines[at++]!;
      if (line[0] === '}') {
        if (depth === 0) throw new Error('a closing brace too many');
        return directives;
      }
      const opens = line.at(-1) === '{';
      const [name, ...given] = opens ? line.slice(0, -1) : line;
      if (name === undefined) throw new Error('a block without a name');
      if (opens && depth + 1 >= deepest) throw new Error('blocks are nested too deeply');
      directives.push({ name, arguments: given, body: opens ? block(depth + 1) : undefined });
    }
    if (depth > 0) throw new Error('a closing brace is missing');
    return directives;
  };
  return block(0);
}

function words(line: string): string[] {
  const found: string[] = [];
  for (const [, quoted, plain] of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    if (plain?.startsWith('#')) break;
    found.push(quoted ?? plain!);
  }
  return found;
}
