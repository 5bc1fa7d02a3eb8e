import { noRepresentation, notAcceptable } from '../../machinery/status-error.js';

export type MediaType = 'application/json' | 'application/yaml' | 'application/vnd.kubernetes.protobuf';

/** What the client wants back. Source: apiserver content negotiation (`as`, `g`, `v` parameters of Accept). */
export interface Acceptance {
  readonly mediaType: MediaType;
  /** A transformation that the client asked for. */
  readonly as?: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList' | undefined;
  /** The version of the transformed kind: v1 or v1beta1. */
  readonly version?: string | undefined;
  readonly pretty: boolean;
}

export interface AcceptOptions {
  /** `transforms`: only of what is made of an object. */
  readonly protobuf: boolean | 'transforms';
  /** Kinds that may be asked for by `as`. */
  readonly transforms: readonly string[];
  /** Whether the path can be watched too. */
  readonly streams?: boolean;
}

interface Clause {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

const cache = new Map<string, readonly Clause[]>();

/** Accept headers repeat; parsing each once is enough. */
export function parseAccept(header: string): readonly Clause[] {
  const known = cache.get(header);
  if (known) return known;
  const clauses = header.split(',').flatMap((text): Clause[] => {
    const [type, ...rest] = text.split(';').map(part => part.trim());
    if (!type) return [];
    const parameters = new Map<string, string>();
    let quality = 1;
    for (const parameter of rest) {
      const at = parameter.indexOf('=');
      if (at < 0) continue;
      const key = parameter.slice(0, at);
      const value = parameter.slice(at + 1);
      if (key === 'q') quality = Number(value);
      else parameters.set(key, value);
    }
    return [{ type: type.toLowerCase(), parameters, quality: Number.isFinite(quality) ? quality : 0 }];
  });
  const sorted = clauses
    .map((clause, index) => ({ clause, index }))
    .sort((a, b) => b.clause.quality - a.clause.quality || a.index - b.index);
  const result = sorted.map(item => item.clause);
  if (cache.size < 256) cache.set(header, result);
  return result;
}

const streamTypes = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];

/** As `negotiate`, for streams, which cannot be YAML. */
export function negotiateWatch(accept: string | undefined, options: AcceptOptions, query: URLSearchParams): Acceptance {
  const acceptance = negotiate(accept, options, query);
  if (acceptance.mediaType !== 'application/yaml') return acceptance;
  throw notAcceptable(streamTypes);
}

/** Picks the first clause that can be served; throws 406. */
export function negotiate(
  accept: string | undefined,
  options: AcceptOptions,
  query: URLSearchParams,
  userAgent = '',
): Acceptance {
  const wanted = query.get('pretty');
  const browser = userAgent.startsWith('curl') || userAgent.startsWith('Wget') || userAgent.startsWith('Mozilla/5.0');
  const pretty = wanted === null ? browser : wanted !== '0' && wanted !== 'false';
  if (!accept) return { mediaType: 'application/json', pretty };
  let known = false;
  for (const { type, parameters } of parseAccept(accept)) {
    const mediaType = serverType(type, options);
    if (!mediaType) continue;
    known = true;
    const as = parameters.get('as');
    if (as === undefined) {
      if (options.protobuf === 'transforms' && mediaType === 'application/vnd.kubernetes.protobuf') continue;
      return { mediaType, pretty };
    }
    const version = parameters.get('v');
    if (!options.transforms.includes(as) || parameters.get('g') !== 'meta.k8s.io') continue;
    if (as === 'Table' && mediaType === 'application/vnd.kubernetes.protobuf') continue;
    if (version !== 'v1' && version !== 'v1beta1') continue;
    return { mediaType, as: as as 'Table', version, pretty };
  }
  if (known) throw notAcceptable(supportedTypes(options));
  throw noRepresentation([...supportedTypes(options), ...(options.streams ? streamTypes : [])]);
}

/** Throws 406 where none of the types that the client takes is one of ours at all. */
export function checkRepresentable(accept: string | undefined, representations: readonly string[]): void {
  if (!accept) return;
  for (const { type } of parseAccept(accept)) {
    if (type === '*/*' || type === 'application/*' || representations.includes(type)) return;
  }
  throw noRepresentation(representations);
}

function serverType(type: string, options: AcceptOptions): MediaType | undefined {
  switch (type) {
    case '*/*':
    case 'application/*':
    case 'application/json':
      return 'application/json';
    case 'application/yaml':
      return 'application/yaml';
    case 'application/vnd.kubernetes.protobuf':
      return options.protobuf ? 'application/vnd.kubernetes.protobuf' : undefined;
    default:
      return undefined;
  }
}

function supportedTypes(options: AcceptOptions): string[] {
  const list = ['application/json', 'application/yaml'];
  if (options.protobuf) list.push('application/vnd.kubernetes.protobuf');
  return list;
}
