import type { TemplateFault } from './template-copies.js';

export interface ClusterDnsFault extends TemplateFault {
  readonly name: string;
  readonly file: 'dns-message.js' | 'dns-server.js' | 'manifests.js' | 'template-cluster-dns.js' | 'upstream.js' | 'zone.js';
  /** The case of the suite that must notice it. */
  readonly noticedBy: string;
}

const table = (
  file: ClusterDnsFault['file'],
  rows: readonly (readonly [name: string, before: string, after: string, noticedBy: string])[],
): ClusterDnsFault[] => rows.map(([name, before, after, noticedBy]) => ({ name, file, before, after, noticedBy }));

const absent = 'what is not there is NXDOMAIN, what has no such record is no error and no data';
const back = 'an address leads back to the Service, or to the hostname of the endpoint';
const headless = 'a headless Service is all endpoints that are ready, of each family, and each by its hostname';
const large = 'that are too large for a datagram say so, and are whole over TCP';
const outside = 'are asked of the upstream, and its answers told as they are';
const pods = 'a pod is its address with dashes, in a namespace that is there';
const rubbish = 'that are none harm nobody';
const settings = 'the domain and the address of the Service are what the cluster was told';
const slices = 'of endpoints and namespaces are followed';
const srv = 'SRV tells the number of a named port, and whose';

export const faults: readonly ClusterDnsFault[] = [
  ...table('zone.js', [
    [
      'says NXDOMAIN for what has another record',
      '{ code: codes.none, records: addressRecords(name, addresses).filter(record => record.type === type) }',
      '{ code: addressRecords(name, addresses).some(each => each.type === type) ? 0 : 3, records: addressRecords(name, addresses).filter(record => record.type === type) }',
      absent,
    ],
    ['says that nothing is there with no error', 'unknown = { code: codes.nameError', 'unknown = { code: codes.none', absent],
    ['minds no namespaces', '!this.#directory.hasNamespace(namespace)', 'false', pods],
    ['knows no pods', "area !== 'svc' && area !== 'pod'", "area !== 'svc'", pods],
    ['minds no names of ports', '`_${each.name}` === port', 'true', srv],
    ['minds no protocols', "`_${(each.protocol ?? 'TCP').toLowerCase()}` === protocol", 'true', srv],
    ['knows no SRV', 'type === types.SRV && port !== undefined', 'false', srv],
    ['tells endpoints that are not ready', 'conditions?.ready !== false', 'true', headless],
    [
      'knows one slice of a Service',
      '.slices(metadata.namespace, metadata.name).flatMap',
      '.slices(metadata.namespace, metadata.name).slice(0, 1).flatMap',
      headless,
    ],
    ['knows no hostnames', 'label: label ?? labelOf(address)', 'label: labelOf(address)', headless],
    ['knows no IPv6', "address.includes(':') ? types.AAAA : types.A", 'types.A', headless],
    ['takes every name for its own', 'return undefined;\n        const labels', 'return unknown;\n        const labels', outside],
  ]),
  ...table('dns-message.js', [
    [
      'minds the case',
      "labels.join('.').toLowerCase()",
      "labels.join('.')",
      'a Service is its ClusterIP, however the name is written',
    ],
    ['truncates nothing', 'whole.length > limitBytes', 'false', large],
    ['answers answers', '(message.readUInt16BE(2) & 0xf8_00) !== 0 || ', '', rubbish],
  ]),
  ...table('dns-server.js', [
    [
      'follows no alias into the cluster',
      'found = this.#zone.lookUp(alias, type);',
      'found = undefined;',
      'an ExternalName is another name, and leads on inside the cluster',
    ],
    [
      'follows no alias out of the cluster',
      'records.push(...addressRecords(alias, addresses));',
      '',
      'are where an ExternalName leads',
    ],
    [
      'asks others for what it does not know',
      'if (reply)',
      'if (reply?.code === 0)',
      'are not those of the cluster: what it does not know is nobody else to be asked',
    ],
    [
      'says NXDOMAIN when nobody answered',
      'relayed ?? encodeReply(message, question, { code: codes.serverFailure',
      'relayed ?? encodeReply(message, question, { code: codes.nameError',
      'fail when the upstream is gone, which is not NXDOMAIN, and the cluster does not',
    ],
    ['truncates over TCP as well', 'isTcp ? 65_535 : question.datagramBytes', 'question.datagramBytes', large],
    [
      'answers one question a connection',
      'received = received.subarray(end);',
      'received = Buffer.alloc(0);',
      'come many at once over one connection',
    ],
    ['closes at what is no question', 'if (!question)\n', 'if (!question && void this.close() === undefined)\n', rubbish],
    [
      'keeps listening',
      'closed = new Promise(resolve => this.#tcp.close(() => resolve()))',
      'closed = Promise.resolve(this.#tcp.unref())',
      'nobody answers any more when the plugin is not there, and its Service is gone',
    ],
  ]),
  ...table('upstream.js', [
    ['answers under a number of its own', 'message.copy(back, 0, 0, 2);', '', outside],
    [
      'asks by datagrams only',
      '(isTcp ? overTcp : overUdp)',
      'overUdp',
      'come whole when the upstream has too much for a datagram',
    ],
  ]),
  ...table('template-cluster-dns.js', [
    ['knows one domain', 'new Zone(this, clusterDomain)', "new Zone(this, 'cluster.local')", settings],
    ['knows nobody at an address of a Service', "return this.#services.byIndex('address', address)", 'return []', back],
    ['knows nobody at an address of an endpoint', "return this.#slices.byIndex('address', address)", 'return []', back],
    [
      'keeps the Services that it found',
      'return this.#services.get(of, name);',
      'const seen = (this.seen ??= new Map()), found = seen.get(of + name) ?? this.#services.get(of, name); if (found) seen.set(of + name, found); return found;',
      'of Services are followed',
    ],
    [
      'keeps the endpoints that it found',
      "return this.#slices.byIndex('service', `${of}/${service}`);",
      "const seen = (this.seen ??= new Map()), found = seen.get(of + service) ?? this.#slices.byIndex('service', `${of}/${service}`); if (found.length > 0) seen.set(of + service, found); return found;",
      slices,
    ],
    [
      'knows the first namespaces',
      "return this.#namespaces.get('', name) !== undefined;",
      "return ['default', 'kube-system'].includes(name);",
      slices,
    ],
    [
      'knows what came while it ran only',
      'await this.#factory.whenSynced(signal);',
      'await this.#factory.whenSynced(signal); const old = this.#services.list().map(({ metadata }) => metadata.uid); this.service = (of, name) => { const found = this.#services.get(of, name); return old.includes(found?.metadata.uid) ? undefined : found; };',
      'names are answered again, as they are by then',
    ],
  ]),
  ...table('manifests.js', [
    [
      'has an address of its own',
      "clusterIP: '%{CLUSTER_DNS}%',\n            clusterIPs: '%{CLUSTER_DNS_LIST}%',",
      "clusterIP: '10.43.0.10',",
      settings,
    ],
  ]),
];
