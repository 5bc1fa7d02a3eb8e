/** What the control process publishes, by key. Plain JSON. */
export interface IngressConfig {
  readonly kind: 'config';
  readonly web: readonly ListenAddress[];
  readonly websecure: readonly ListenAddress[];
  readonly defaultCertificate: CertificateFile;
  /** Certificates of endpoints with the scheme https are not looked at. */
  readonly insecureSkipVerify?: boolean;
}

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** A PEM file of key and chain, 0600. The id names its content. */
export interface CertificateFile {
  readonly path: string;
  readonly id: string;
}

export type EntryPoint = 'web' | 'websecure';

export interface IngressRoutes {
  readonly kind: 'ingress';
  readonly namespace: string;
  readonly name: string;
  /** Absent: all. */
  readonly entryPoints?: readonly EntryPoint[];
  /** Only over TLS (`router.tls`). */
  readonly tlsOnly: boolean;
  /** The older one wins where two say the same. */
  readonly created: string;
  readonly rules: readonly RouteRule[];
  readonly defaultBackend?: BackendReference;
}

export interface RouteRule {
  /** '' is every host; may begin with `*.`. */
  readonly host: string;
  readonly paths: readonly { readonly path: string; readonly type: PathType; readonly backend: BackendReference }[];
}

export type PathType = 'Exact' | 'Prefix' | 'ImplementationSpecific';

/** Of the Ingress' namespace. A number or a name of a port. */
export interface BackendReference {
  readonly service: string;
  readonly port: number | string;
}

export type Scheme = 'http' | 'https' | 'h2c';

export interface IngressService {
  readonly kind: 'service';
  readonly namespace: string;
  readonly name: string;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly scheme: Scheme }[];
  readonly sticky?: StickyCookie;
}

/** Brings a client back to the endpoint that answered it first. */
export interface StickyCookie {
  readonly name: string;
  /** As `Set-Cookie` has them: `Path=/`, `HttpOnly`. */
  readonly attributes: readonly string[];
}

/** Ready endpoints of one slice. */
export interface IngressSlice {
  readonly kind: 'slice';
  readonly namespace: string;
  readonly service: string;
  readonly addresses: readonly string[];
  /** Port numbers by name. */
  readonly ports: Readonly<Record<string, number>>;
}

export interface IngressCertificate {
  readonly kind: 'certificate';
  readonly file: CertificateFile;
}

export type IngressEntry = IngressConfig | IngressRoutes | IngressService | IngressSlice | IngressCertificate;

/** What the module reports. */
export interface IngressReport {
  readonly web: readonly ListenAddress[];
  readonly websecure: readonly ListenAddress[];
  readonly failures: readonly string[];
}
