import { dropTableScript } from '../../../core/host/nftables.js';
import { tableFamily, tableName } from './names.js';
import type { IpFamily } from './service-port.js';
import { ip, masqueradeMark } from './unit.js';

export interface BaseSettings {
  readonly families: readonly IpFamily[];
  readonly clusterCidrs: readonly string[];
  /** Ranges of local addresses on which node ports answer; empty: all. */
  readonly nodePortAddresses: readonly string[];
  /** Whether node ports answer on the IPv4 loopback addresses. */
  readonly nodePortsOnLoopback: boolean;
}

/** The shared sets and maps, by name without family. Keys and values as nft types. */
const sharedSets: Readonly<Record<string, (address: string) => string>> = {
  'cluster-ips': address => `set %s { type ${address}; }`,
  'firewall-ips': address => `map %s { type ${address} . inet_proto . inet_service : verdict; }`,
  'firewall-ports': () => 'map %s { type inet_proto . inet_service : verdict; }',
  hairpins: address => `set %s { type ${address} . ${address}; }`,
  'no-endpoint-ips': address => `map %s { type ${address} . inet_proto . inet_service : verdict; }`,
  'no-endpoint-ports': () => 'map %s { type inet_proto . inet_service : verdict; }',
  'service-ips': address => `map %s { type ${address} . inet_proto . inet_service : verdict; }`,
  'service-ports': () => 'map %s { type inet_proto . inet_service : verdict; }',
};

/**
 * What is there whatever the Services are: hooks, shared sets, and the lookups that find a packet's Service by one step, however many
 * there are. Replaces the whole table, so it begins a transaction that also adds all else.
 *
 * Translation happens in nat hooks, which see only the first packet of a connection. Filters before them (-110) keep sources out,
 * filters after them refuse what found no endpoint.
 */
export function baseTable(settings: BaseSettings): string {
  const { families } = settings;
  const lines: string[] = [];
  for (const family of families) {
    for (const [name, declaration] of Object.entries(sharedSets)) {
      lines.push(declaration(`ipv${family}_addr`).replace('%s', `${name}-${family}`));
    }
  }
  const each = (rules: (family: IpFamily) => readonly string[]): string[] => families.flatMap(rules);
  lines.push(
    // An unreachable port does not get back to the node's own sockets where the Services' range is routed to loopback; a reset does.
    ...chain('refuse', ['meta l4proto tcp reject with tcp reset', 'reject']),
    ...chain(
      'services',
      each(family => services(family, settings)),
    ),
    ...chain(
      'firewall',
      each(family => firewall(family, settings)),
    ),
    ...chain(
      'no-endpoints',
      each(family => noEndpoints(family, settings)),
    ),
    ...chain('nat-prerouting', ['type nat hook prerouting priority -100; policy accept;', 'jump services']),
    ...chain('nat-output', ['type nat hook output priority -100; policy accept;', 'jump services']),
    ...chain('nat-postrouting', [
      'type nat hook postrouting priority 100; policy accept;',
      // The mark has done its work; behind us it would mean something to others.
      `meta mark & ${masqueradeMark} == ${masqueradeMark} meta mark set meta mark xor ${masqueradeMark} masquerade fully-random`,
      ...each(family => [`ct status dnat ${ip(family)} saddr . ${ip(family)} daddr @hairpins-${family} masquerade fully-random`]),
    ]),
    ...chain('filter-prerouting', [
      'type filter hook prerouting priority -110; policy accept;',
      // Node ports on loopback need route_localnet; nobody outside may use it (CVE-2020-8558).
      ...(families.includes(4) ? ['iifname != "lo" ip daddr 127.0.0.0/8 drop'] : []),
      'ct state new jump firewall',
    ]),
    ...chain('filter-output-before', ['type filter hook output priority -110; policy accept;', 'ct state new jump firewall']),
    ...chain('filter-input', ['type filter hook input priority -110; policy accept;', 'ct state new jump no-endpoints']),
    ...chain('filter-forward', [
      'type filter hook forward priority -110; policy accept;',
      // An answer that conntrack does not know any more would leave untranslated, and the client would reset the connection.
      'ct state invalid drop',
      'ct state new jump no-endpoints',
    ]),
    ...chain('filter-output', ['type filter hook output priority -90; policy accept;', 'ct state new jump no-endpoints']),
  );
  const body = lines.map(line => `  ${line}\n`).join('');
  return `${dropTableScript(tableFamily, tableName)}table ${tableFamily} ${tableName} {\n${body}}\n`;
}

function chain(name: string, rules: readonly string[]): string[] {
  return [`chain ${name} {`, ...rules.map(rule => `  ${rule}`), '}'];
}

function services(family: IpFamily, settings: BaseSettings): string[] {
  const header = ip(family);
  const pods = settings.clusterCidrs.filter(range => range.includes(':') === (family === 6));
  const outside = pods.length === 1 ? `saddr != ${pods[0]}` : `saddr != { ${pods.join(', ')} }`;
  const masquerade = `${header} daddr @cluster-ips-${family} ${header} ${outside} meta mark set meta mark or ${masqueradeMark}`;
  return [
    ...(pods.length > 0 ? [masquerade] : []),
    `${header} daddr . meta l4proto . th dport vmap @service-ips-${family}`,
    `${localDestination(family, settings)} meta l4proto . th dport vmap @service-ports-${family}`,
  ];
}

function firewall(family: IpFamily, settings: BaseSettings): string[] {
  return [
    `${ip(family)} daddr . meta l4proto . th dport vmap @firewall-ips-${family}`,
    `${localDestination(family, settings)} meta l4proto . th dport vmap @firewall-ports-${family}`,
  ];
}

function noEndpoints(family: IpFamily, settings: BaseSettings): string[] {
  return [
    `${ip(family)} daddr . meta l4proto . th dport vmap @no-endpoint-ips-${family}`,
    `${localDestination(family, settings)} meta l4proto . th dport vmap @no-endpoint-ports-${family}`,
    // Nothing but Services lives there: a port that its Service does not have.
    `${ip(family)} daddr @cluster-ips-${family} goto refuse`,
  ];
}

function localDestination(family: IpFamily, settings: BaseSettings): string {
  const words = [`meta nfproto ipv${family} fib daddr type local`];
  const ranges = settings.nodePortAddresses.filter(range => range.includes(':') === (family === 6));
  if (settings.nodePortAddresses.length > 0) {
    // A family without a range of its own answers nowhere.
    words.push(`${ip(family)} daddr { ${ranges.length > 0 ? ranges.join(', ') : family === 4 ? '0.0.0.0' : '::'} }`);
  } else if (family === 6) words.push('ip6 daddr != ::1');
  else if (!settings.nodePortsOnLoopback) words.push('ip daddr != 127.0.0.0/8');
  return words.join(' ');
}
