/** What the control process publishes, by key. Plain JSON; addresses in text. */
export interface DnsConfig {
  readonly kind: 'config';
  readonly listen: readonly { readonly address: string; readonly port: number }[];
  readonly metrics: readonly { readonly address: string; readonly port: number }[];
  /** Ranges and addresses that may ask. */
  readonly allowed: readonly string[];
  readonly domain: string;
  /** ClusterIPs of the DNS Service: addresses of its own name, and never asked. */
  readonly dnsAddresses: readonly string[];
  readonly ttlSeconds: number;
  /** Who knows all other names: a file with `nameserver` lines, or one server as `address:port`. */
  readonly resolvConf: string;
}

export interface DnsService {
  readonly kind: 'service';
  readonly namespace: string;
  readonly name: string;
  /** Empty for headless Services and external names. */
  readonly clusterIps: readonly string[];
  readonly headless: boolean;
  readonly externalName?: string;
  readonly ports: readonly DnsPort[];
}

export interface DnsPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

/** Ready endpoints of one slice. */
export interface DnsSlice {
  readonly kind: 'slice';
  readonly namespace: string;
  readonly service: string;
  readonly endpoints: readonly { readonly addresses: readonly string[]; readonly hostname?: string }[];
  readonly ports: readonly DnsPort[];
}

export interface DnsNamespace {
  readonly kind: 'namespace';
  readonly name: string;
}

export interface DnsHosts {
  readonly entries: readonly { readonly address: string; readonly names: readonly string[] }[];
  readonly ttlSeconds: number;
  /** Names that are not in it are looked for elsewhere. */
  readonly fallthrough: boolean;
  readonly reverse: boolean;
}

export interface DnsForward {
  /** The zone, '' is everything. */
  readonly from: string;
  /** `address`, `address:port`, `[address]:port`, or a path of a file like resolv.conf. */
  readonly to: readonly string[];
  readonly except: readonly string[];
  readonly policy: 'random' | 'round_robin' | 'sequential';
  readonly forceTcp: boolean;
}

/** NodeHosts, and what ConfigMap coredns-custom adds. */
export interface DnsCustom {
  readonly kind: 'custom';
  readonly nodeHosts: DnsHosts;
  /** Parts of the main server block. */
  readonly hosts: readonly DnsHosts[];
  readonly forwards: readonly DnsForward[];
  readonly servers: readonly DnsServerBlock[];
}

export interface DnsServerBlock {
  /** '' is the root. */
  readonly zones: readonly string[];
  readonly hosts: readonly DnsHosts[];
  readonly forwards: readonly DnsForward[];
}

export type DnsEntry = DnsConfig | DnsService | DnsSlice | DnsNamespace | DnsCustom;

/** What the module reports. */
export interface DnsReport {
  /** Addresses on which DNS answers over UDP and TCP. */
  readonly listening: readonly { readonly address: string; readonly port: number }[];
  readonly failures: readonly string[];
}
