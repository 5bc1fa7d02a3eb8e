import type { TemplateFault } from './template-copies.js';

export interface IngressFault extends TemplateFault {
  readonly name: string;
  readonly file: 'manifests.js' | 'proxy.js' | 'routes.js' | 'template-ingress.js';
  /** The cases of the suite that must notice it. */
  readonly noticedBy: readonly string[];
}

const table = (
  file: IngressFault['file'],
  rows: readonly (readonly [name: string, before: string, after: string, ...noticedBy: string[]])[],
): IngressFault[] => rows.map(([name, before, after, ...noticedBy]) => ({ name, file, before, after, noticedBy }));

const paths = 'exact paths come before prefixes, longer before shorter, and prefixes end at a slash';
const hosts = 'an exact host comes before a wildcard, which is one label, and both before no host';
const classes = 'it serves its own class, which is the default, and no other';
const ports = "a Service's port is meant by its name or number, and leads to that port of its endpoints";
const missing = 'an Ingress whose Service or Secret is missing harms nobody else, and is served when they come';
const sent = 'arrive as they were sent, with who sent them, and answers go back as they are';
const status = 'of where it is reached are in the status, and in that of no other class';
const tls = 'by TLS see the certificate of their host, and a new one when its Secret changes';

const routesMade = 'this.#routes = new Routes(ours);';

export const faults: readonly IngressFault[] = [
  ...table('routes.js', [
    ['ignores hosts', 'each.host === wanted &&', '', 'a host and a path lead to the endpoints of a Service', hosts],
    ['takes prefixes letter by letter', 'path.startsWith(`${prefix}/`)', 'path.startsWith(prefix)', paths],
    ['takes exact paths for prefixes', 'each.isExact ? each.path === path : ', '', paths],
    ['takes the shortest path', 'b.path.length - a.path.length', 'a.path.length - b.path.length', paths],
    ['knows no wildcards', "[host, wildcard, '']", "[host, '']", hosts],
    ['takes a wildcard for any number of labels', 'host.replace(/^[^.]+/', 'host.replace(/^.*(?=\\.web\\.)/', hosts],
    ['takes wildcards first', "[host, wildcard, '']", "[wildcard, host, '']", hosts],
    ['knows no default backends', 'return this.#defaults[0]', 'return undefined', 'a default backend takes what no rule takes'],
  ]),
  ...table('proxy.js', [
    [
      'says 502 for what it does not know',
      'return 404',
      'return 502',
      'a Service of type LoadBalancer leads to the listeners, and what nobody routes is not found',
    ],
    [
      'minds the case of hosts',
      "replace(/:\\d+$/, '').toLowerCase()",
      "replace(/:\\d+$/, '')",
      'a host and a path lead to the endpoints of a Service',
    ],
    ['minds the port in the host', "host.replace(/:\\d+$/, '')", 'host', 'a host and a path lead to the endpoints of a Service'],
    ['drops the query', 'path: request.url,', "path: request.url.split('?')[0],", sent],
    ['always asks by GET', 'method: request.method', "method: 'GET'", sent],
    [
      'believes who a client says it is',
      "'x-forwarded-for': request.socket.remoteAddress",
      "'x-forwarded-for': request.headers['x-forwarded-for'] ?? request.socket.remoteAddress",
      sent,
    ],
    ['says https for http', "? 'https' : 'http'", "? 'https' : 'https'", sent],
    ['asks in its own name', 'return httpRequest({', "headers.host = 'own';\n        return httpRequest({", sent],
    ['drops headers of answers', 'without(answer.headers, connectionHeaders)', '{}', sent],
    [
      'waits for the whole body',
      'request.pipe(upstream);',
      "const all = []; request.on('data', d => all.push(d)); request.on('end', () => upstream.end(Buffer.concat(all)));",
      'bodies stream, both ways at once',
    ],
    [
      'knows no upgrades',
      "server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));",
      '',
      'upgrade to WebSockets',
    ],
    ['sends all to one endpoint', 'this.#next++ % endpoints.length', '0', 'go to all endpoints that are ready, and to no others'],
    [
      'says 200 for a dead endpoint',
      'response.writeHead(502)',
      'response.writeHead(200)',
      'to endpoints that nobody listens at are answered by a 5xx',
    ],
    [
      'keeps listening',
      'closed = new Promise(resolve => server.close(() => resolve()))',
      'closed = Promise.resolve(server.unref())',
      'nobody listens any more when the ingress is not there',
    ],
  ]),
  ...table('template-ingress.js', [
    ['serves every class', '?.spec?.controller === controllerName', ' !== 0', classes, status],
    [
      'is fixed to the first Ingresses',
      'this.#routes = new Routes(ours);',
      'if (ours.length === 1 && !this.seen) { this.seen = true; this.#routes = new Routes(ours); }',
      'of an Ingress take effect, and so does its end',
      hosts,
    ],
    ['takes the first port of a Service', 'const meant = ports.find(each =>', 'const meant = ports.find(each => true ||', ports],
    ['knows ports by their numbers only', 'each.name === port', 'false', ports],
    ['mixes the ports of endpoints', "(each.name ?? '') === (meant.name ?? '')", 'true', ports],
    [
      'goes to endpoints that are not ready',
      'conditions?.ready !== false',
      'true',
      'go to all endpoints that are ready, and to no others',
    ],
    [
      'fails for a missing Service',
      routesMade,
      `if (ours.some(({ metadata, spec }) => spec.rules?.some(({ http }) => http.paths.some(({ backend }) => !this.#services.get(metadata.namespace, backend.service.name))))) return; ${routesMade}`,
      missing,
    ],
    [
      'serves nothing without its Secret',
      routesMade,
      `if (ours.some(({ metadata, spec }) => spec.tls?.some(({ secretName }) => !this.#secrets.get(metadata.namespace, secretName)))) return; ${routesMade}`,
      missing,
    ],
    [
      'gives everybody the same certificate',
      'return this.#certificates.get(host) ??',
      'return [...this.#certificates.values()][0] ??',
      tls,
    ],
    ['does not follow Secrets', 'this.#services, this.#secrets]', 'this.#services]', tls],
    [
      'writes no status',
      'for (const ingress of ours)\n            await',
      'for (const ingress of [])\n            await',
      status,
    ],
    [
      'sees only what comes while it runs',
      'const ours = this.#ingresses\n            .list()\n            .filter((',
      'const before = this.before ??= new Set(this.#ingresses.list().map(({ metadata }) => metadata.uid));\n        const ours = this.#ingresses\n            .list()\n            .filter(({ metadata }) => !before.has(metadata.uid))\n            .filter((',
      'everything is served again, as it is by then',
    ],
  ]),
  ...table('manifests.js', [
    ['is not the default class', "'true'", "'false'", classes],
    [
      'has no Service for the load balancer',
      "type: 'LoadBalancer'",
      "type: 'ClusterIP'",
      'a Service of type LoadBalancer leads to the listeners, and what nobody routes is not found',
    ],
  ]),
];
