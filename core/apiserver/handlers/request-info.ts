/** What a URL asks for. Source: apiserver request info rules (`/api`, `/apis`, namespaces, subresources). */
export interface RequestInfo {
  readonly path: string;
  readonly query: URLSearchParams;
  /** For resource requests the API verb, otherwise the lower-case HTTP method. */
  readonly verb: string;
  readonly resourceRequest: boolean;
  readonly group: string;
  readonly version: string;
  /** '' for cluster scope. */
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** What stands behind the subresource (proxy), with its leading slash, or ''. */
  readonly rest: string;
}

const namespaceSubresources = new Set(['status', 'finalize']);
const verbOfMethod: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** `url` is the request target. Broken percent-encoding leaves the segment as it is. */
export function parseRequest(method: string, url: string): RequestInfo {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = parseQuery(mark < 0 ? '' : url.slice(mark + 1));
  const plain: RequestInfo = {
    path,
    query,
    verb: method.toLowerCase(),
    resourceRequest: false,
    group: '',
    version: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    rest: '',
  };
  const parts = path.split('/');
  parts.shift();
  const prefix = parts.shift();
  if (prefix !== 'api' && prefix !== 'apis') return plain;
  if (parts.at(-1) === '') parts.pop();
  const group = prefix === 'apis' ? decode(parts.shift()) : '';
  const version = decode(parts.shift());
  if (parts.length === 0 || !version) return { ...plain, group, version };
  let deprecatedWatch = false;
  if (parts[0] === 'watch' && parts.length > 1) {
    deprecatedWatch = true;
    parts.shift();
  }
  let namespace = '';
  if (parts[0] === 'namespaces' && parts.length > 1) {
    namespace = decode(parts[1]);
    if (parts.length > 2 && !namespaceSubresources.has(parts[2]!)) parts.splice(0, 2);
  }
  const resource = decode(parts[0]);
  const name = decode(parts[1]);
  const subresource = decode(parts[2]);
  const rest = parts.length > 3 ? `/${parts.slice(3).join('/')}` : path.endsWith('/') && subresource ? '/' : '';
  let verb = verbOfMethod[method] ?? plain.verb;
  if (verb === 'get' && !subresource && (deprecatedWatch || (!name && isTrue(query.get('watch'))))) verb = 'watch';
  else if (verb === 'get' && !name) verb = 'list';
  else if (verb === 'delete' && !name) verb = 'deletecollection';
  return { path, query, verb, resourceRequest: true, group, version, namespace, resource, subresource, name, rest };
}

/** As upstream reads flags of the query: anything but `0` and `false` is true, an empty value too. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}

const brokenEscape = /%(?![0-9a-fA-F]{2})/;

/** Pairs with broken escapes, or with a semicolon, are as if they were not there. Source: Go's net/url. */
function parseQuery(text: string): URLSearchParams {
  if (!text.includes(';') && !brokenEscape.test(text)) return new URLSearchParams(text);
  const pairs = text.split('&').filter(pair => !pair.includes(';') && !brokenEscape.test(pair));
  return new URLSearchParams(pairs.join('&'));
}

/** Whether the path of a request target can be read at all. */
export function isReadable(url: string): boolean {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  return !path.includes('%') || !brokenEscape.test(path);
}

function decode(segment: string | undefined): string {
  if (segment === undefined) return '';
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
