import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { jsonText, parseOwnJson } from '../../core/machinery/codec/json-text.js';
import { parseYaml } from '../../core/machinery/codec/yaml.js';
import { applyMergePatch } from '../../core/machinery/patch/merge-patch.js';

/** One request of a case. `update` merges `patch` into what the last answer showed and PUTs it, as clients do. */
export type Step =
  | {
      readonly do: 'create';
      readonly body: object;
      readonly at?: string;
      readonly accept?: string;
      readonly as?: string;
      readonly groups?: string[];
    }
  | {
      readonly do: 'update';
      readonly patch: object;
      readonly sub?: string;
      readonly at?: string;
      readonly as?: string;
      readonly groups?: string[];
    }
  | { readonly do: 'patch'; readonly patch: unknown; readonly type: string; readonly sub?: string }
  | { readonly do: 'get'; readonly sub?: string; readonly query?: string; readonly accept?: string }
  /** `more` goes on where the list before it stopped, `since` names the object whose first version is asked for. */
  | { readonly do: 'list'; readonly query?: string; readonly more?: true; readonly since?: string; readonly accept?: string }
  | { readonly do: 'table' }
  /** All events since the first version of an object, for a second. */
  | { readonly do: 'watch'; readonly since: string; readonly query?: string; readonly accept?: string }
  /** Without a name the object at hand; `body` are delete options. */
  | { readonly do: 'delete'; readonly at?: string; readonly query?: string; readonly body?: object }
  /** Asks until the answer shows a text: for what a controller does. Only that it came counts. */
  | { readonly do: 'wait'; readonly path: string; readonly shows: string }
  /** Anything else, at a path of its own. `bare`: its body does not count. */
  | {
      readonly do: 'request';
      readonly method: string;
      readonly path?: string;
      readonly body?: unknown;
      readonly type?: string;
      readonly accept?: string;
      readonly encoding?: string;
      /** More headers of the request. */
      readonly headers?: Readonly<Record<string, string>>;
      readonly as?: string;
      readonly groups?: string[];
      readonly bare?: true;
    };

/** What goes on with objects at one collection, e.g. `/apis/apps/v1/namespaces/default/deployments`. */
export interface Case {
  readonly name: string;
  readonly at: string;
  readonly steps: readonly Step[];
  /** Upstream walks no map here: causes have to stand in its order. */
  readonly ordered?: boolean;
  /** Upstream walks a map here when it warns, in an order that is random: warnings are sorted. */
  readonly warnsAtRandom?: boolean;
}

export interface Answer {
  readonly code: number;
  readonly warnings?: readonly string[];
  /** In an answer made comparable: absent where they are what most answers have. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A server as a kubeconfig names it; client certificates only. */
export interface Server {
  readonly url: URL;
  readonly agent: Agent;
  /** Of the levels and schemas of flow control that it began with, by uid. */
  readonly flowNames: ReadonlyMap<string, string>;
}

export async function connect(kubeconfigFile: string): Promise<Server> {
  const config = (await parseYaml(readFileSync(kubeconfigFile, 'utf8'))) as unknown as {
    clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
    users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
  };
  const decode = (text: string): Buffer => Buffer.from(text, 'base64');
  const { cluster } = config.clusters[0]!;
  const { user } = config.users[0]!;
  const agent = new Agent({
    keepAlive: true,
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  });
  const server = { url: new URL(cluster.server), agent, flowNames: new Map<string, string>() };
  for (const resource of ['flowschemas', 'prioritylevelconfigurations']) {
    const { body } = await send(server, { method: 'GET', path: `/apis/flowcontrol.apiserver.k8s.io/v1/${resource}` });
    const { items } = body as { items: { metadata: { name: string; uid: string } }[] };
    for (const { metadata } of items) server.flowNames.set(metadata.uid, metadata.name);
  }
  return server;
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly type?: string;
  readonly accept?: string | undefined;
  readonly encoding?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly as?: string;
  readonly groups?: readonly string[];
  /** Instead of `body`: what is no JSON. */
  readonly text?: string;
}

/** One request. Its answer is as it came. */
export function send(server: Server, call: Call): Promise<Answer> {
  const { url, agent, flowNames } = server;
  const text = call.text ?? (call.body === undefined ? undefined : jsonText(call.body));
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        host: url.hostname,
        port: url.port,
        method: call.method,
        path: call.path,
        headers: {
          'user-agent': 'replay/1',
          accept: call.accept ?? 'application/json',
          ...(text === undefined
            ? {}
            : { 'content-type': call.type ?? 'application/json', 'content-length': Buffer.byteLength(text) }),
          ...(call.encoding ? { 'accept-encoding': call.encoding } : {}),
          ...(call.as ? { 'impersonate-user': call.as } : {}),
          ...(call.groups ? { 'impersonate-group': [...call.groups] } : {}),
          ...call.headers,
        },
      },
      response => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const warnings = String(response.headers.warning ?? '')
            .split(/, (?=299 - )/)
            .filter(warning => warning !== '');
          const body: unknown = isJson(response) && text !== '' ? bodyOf(text) : text;
          const headers = headersOf(response.headers, flowNames);
          resolve({ code: response.statusCode!, ...(warnings.length ? { warnings } : {}), headers, body });
        });
      },
    );
    outgoing.on('error', error => {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') return reject(error);
      // A connection that the server closed just before it was used again; or the server broke off, which is an answer too.
      if (outgoing.reusedSocket) resolve(send(server, call));
      else resolve({ code: 0, body: { message: 'the server hung up' } });
    });
    outgoing.end(text);
  });
}

/** A value, or those of a watch's events, one a line. */
function bodyOf(text: string): unknown {
  const lines = text.trimEnd().split('\n');
  const isStream = lines.length > 0 && lines.every(line => line.startsWith('{"type":'));
  return isStream ? lines.map(parseOwnJson) : parseOwnJson(text);
}

function isJson({ headers, statusCode }: IncomingMessage): boolean {
  if (headers['content-encoding'] !== undefined || statusCode === 206) return false;
  return headers['content-type']?.includes('json') === true;
}

/** Warnings are kept apart; the rest is how the bytes travel, and when. */
const leftOutHeaders = /^(warning|date|connection|keep-alive|content-length|process-start-time-unix|transfer-encoding)$/;
const flowHeader = 'x-kubernetes-pf-';

function headersOf(headers: IncomingHttpHeaders, flowNames: ReadonlyMap<string, string>): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => !leftOutHeaders.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, plainHeader(name, String(value), flowNames)]));
}

function plainHeader(name: string, value: string, flowNames: ReadonlyMap<string, string>): string {
  // Flow control says uids: here the names that they stand for.
  if (name.startsWith(flowHeader)) return flowNames.get(value) ?? value;
  switch (name) {
    // Documents of what is served have other hashes and sizes while other things are.
    case 'etag':
      return '<etag>';
    case 'content-range':
      if (value.startsWith('bytes */')) return 'bytes */<size>';
      return value.replace(/(\d+)-(\d+)\/(\d+)$/, (_, ...found) => fromEnd(found.slice(0, 3).map(Number)));
    case 'location':
      return value.replace(/hash=[0-9A-F]+$/, 'hash=<hash>');
    case 'last-modified':
    case 'expires':
      return '<date>';
    case 'content-type':
      return value.replace(/boundary=[0-9a-f]+/, 'boundary=<boundary>');
    default:
      return value;
  }
}

/** A range as it is of any size. */
function fromEnd([start, last, size]: readonly number[]): string {
  const place = (offset: number): string => (offset < size! / 2 ? String(offset) : `<size>${offset - size!}`);
  return `${place(start!)}-${place(last!)}/<size>`;
}

type Named = { metadata?: { name?: string; resourceVersion?: string; continue?: string } };

/** Runs a case and answers with what came back, made comparable. Objects that it left are deleted. */
export async function replay(server: Server, { at, steps, ordered = false, warnsAtRandom = false }: Case): Promise<Answer[]> {
  const answers: Answer[] = [];
  const left = new Set<string>();
  const versions = new Map<string, string>();
  let last: Named = {};
  let next = '';
  let place = at;
  // They change nothing, and each takes its second.
  let watches: Promise<Answer>[] = [];
  for (const [index, step] of steps.entries()) {
    const path = (sub?: string): string => `${place}/${last.metadata?.name}${sub ? `/${sub}` : ''}`;
    let answer: Answer;
    switch (step.do) {
      case 'create':
        place = step.at ?? at;
        answer = await send(server, { ...step, method: 'POST', path: place });
        if (answer.code === 201) {
          last = answer.body as Named;
          const { name, resourceVersion } = last.metadata ?? {};
          if (name && resourceVersion && !versions.has(name)) versions.set(name, resourceVersion);
          if (last.metadata?.name) left.add(path());
        }
        break;
      case 'update': {
        // Of all subresources that are put, this one cannot be read.
        const current = await send(server, { method: 'GET', path: path(step.sub === 'finalize' ? '' : step.sub) });
        const body = applyMergePatch(current.body as Record<string, unknown>, step.patch as Record<string, unknown>);
        answer = await send(server, { method: 'PUT', path: path(step.sub), body, as: step.as, groups: step.groups });
        break;
      }
      case 'patch':
        // Applies have to say who applies.
        answer = await send(server, {
          method: 'PATCH',
          path: `${path(step.sub)}${step.type.includes('apply') ? '?fieldManager=applier' : ''}`,
          body: step.patch,
          type: step.type,
        });
        break;
      case 'get':
        answer = await send(server, { method: 'GET', path: `${path(step.sub)}${step.query ?? ''}`, accept: step.accept });
        break;
      case 'list': {
        const query = new URLSearchParams(step.query);
        if (step.more) query.set('continue', next);
        if (step.since) query.set('resourceVersion', versions.get(step.since) ?? '');
        const path = query.size ? `${at}?${query.toString()}` : at;
        answer = await send(server, { method: 'GET', path, accept: step.accept });
        next = (answer.body as Named).metadata?.continue ?? '';
        break;
      }
      case 'watch': {
        if (watches.length === 0) {
          const end = steps.findIndex((other, position) => position > index && other.do !== 'watch');
          const together = steps.slice(index, end < 0 ? undefined : end);
          watches = together
            .map(each => each.do === 'watch' && send(server, watchCall(at, each, versions)))
            .filter(each => !!each);
        }
        answer = await watches.shift()!;
        break;
      }
      case 'request':
        answer = await send(server, { ...step, path: step.path ?? at });
        if (step.bare) answer = { ...answer, body: null };
        break;
      case 'wait':
        answer = await waited(server, step);
        break;
      case 'table': {
        const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
        answer = await send(server, { method: 'GET', path: path(), accept });
        break;
      }
      case 'delete':
        answer = await send(server, { method: 'DELETE', path: `${step.at ?? path()}${step.query ?? ''}`, body: step.body });
    }
    const { warnings } = answer;
    const settled = warnings && warnsAtRandom ? { ...answer, warnings: warnings.toSorted() } : answer;
    answers.push(comparable(settled, ordered));
  }
  for (const path of left) await send(server, { method: 'DELETE', path, body: { propagationPolicy: 'Background' } });
  return answers;
}

const waitTries = 300;
const betweenTriesMs = 100;

async function waited(server: Server, { path, shows: text }: Extract<Step, { do: 'wait' }>): Promise<Answer> {
  return (await shows(server, path, text)) ? { code: 200, body: null } : { code: 504, body: `${path} never showed ${text}` };
}

/** Asks until the answer shows a text. False: it never does. */
export async function shows(server: Server, path: string, text: string): Promise<boolean> {
  for (let tries = 1; tries < waitTries; tries++) {
    const { body } = await send(server, { method: 'GET', path });
    if (jsonText(body).includes(text)) return true;
    await new Promise(resolve => setTimeout(resolve, betweenTriesMs));
  }
  return false;
}

function watchCall(at: string, step: Extract<Step, { do: 'watch' }>, versions: ReadonlyMap<string, string>): Call {
  const query = new URLSearchParams({ watch: 'true', timeoutSeconds: '1' });
  query.set('resourceVersion', versions.get(step.since) ?? '');
  for (const [name, value] of new URLSearchParams(step.query)) query.set(name, value);
  return { method: 'GET', path: `${at}?${query.toString()}`, accept: step.accept };
}

const credentialPattern = /X509SHA256=[0-9a-f]{64}/g;
const tokenVolumePattern = /kube-api-access-[a-z0-9]{5}/g;
// Upstream's server goes by the name of its program, also where a message prints the object.
const ownManagerPattern = /(\\*)"manager\1":\1"oracle\1"/g;
// What is picked by chance for a Service, where it is kept.
const portPattern = /"(nodePort|healthCheckNodePort)(\\*)":3[0-2]\d{3}\b/g;
const duplicatePortPattern = /\b(TCP|UDP) 3[0-2]\d{3}\b/g;
const addressPattern = /\b10\.43\.\d{1,3}\.\d{1,3}(?!\d)/g;
const uidPattern = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const timePattern = /"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z(?=\\*")/g;
// Where a list goes on: upstream's are base64 of a form of their own.
const continuePattern = /"continue":"[^"]+"/g;
// In messages about versions that are too old or not the one that was asked for.
const versionPattern = /(resource ?version\D{0,40})\d+( \(\d+\)|, current: \d+)?/gi;
// Also the ages of the dates fixed in the cases, which grow with the calendar: 323d, 6y326d, 8y.
const agePattern = /^(\d+s|\d{3,}d|\d+y(\d+d)?)$/;

/** What differs between any two runs is made the same. */
export function comparable(answer: Answer, ordered = false): Answer {
  return plainAnswer(withoutChance(answer), ordered);
}

function withoutChance(answer: Answer): Answer {
  const text = JSON.stringify(answer, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
    .replace(credentialPattern, '<credential>')
    .replace(tokenVolumePattern, 'kube-api-access-<random>')
    .replace(ownManagerPattern, '$1"manager$1":$1"kube-apiserver$1"')
    .replace(portPattern, (_, name, slashes) => `"${name}${slashes}":${slashes ? '<port>' : '"<port>"'}`)
    .replace(duplicatePortPattern, '$1 <port>')
    .replace(addressPattern, '<service address>')
    .replace(uidPattern, '<uid>')
    .replace(continuePattern, '"continue":"<continue>"')
    .replace(timePattern, '"<time>');
  return withoutOrdinaryHeaders(JSON.parse(text) as Answer);
}

function plainAnswer(value: Answer, ordered: boolean): Answer {
  const body = value.body as {
    kind?: string;
    metadata?: { resourceVersion?: string };
    message?: string;
    details?: { causes?: { message?: string }[] };
  } & Table;
  if (typeof body !== 'object' || body === null) return value;
  if (Array.isArray(body)) return { ...value, body: body.map(plainEvent) };
  dropVersions(body);
  sortRules(body);
  if (body.kind === 'Status') return { ...value, body: plainStatus(body, ordered) };
  if (body.kind !== 'Table') return value;
  return { ...value, body: plainTable(body) };
}

function withoutAges(cells: readonly unknown[]): unknown[] {
  return cells.map(cell => (typeof cell === 'string' && agePattern.test(cell) ? '<age>' : cell));
}

const ordinaryHeaders = JSON.stringify({
  'audit-id': '<uid>',
  'cache-control': 'no-cache, private',
  'content-type': 'application/json',
});

function withoutOrdinaryHeaders({ headers, ...answer }: Answer): Answer {
  const sorted = Object.fromEntries(Object.entries(withoutOrdinaryFlow(headers ?? {})).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify(sorted) === ordinaryHeaders ? answer : { ...answer, headers: sorted };
}

/** Most requests are the administrator's, whom nothing holds up; that flow control says nothing of one is what stands out. */
function withoutOrdinaryFlow(headers: Readonly<Record<string, string>>): Record<string, string> {
  const [flows, others] = [true, false].map(isFlow =>
    Object.entries(headers).filter(([name]) => name.startsWith(flowHeader) === isFlow),
  ) as [[string, string][], [string, string][]];
  if (flows.length === 2 && flows.every(([, value]) => value === 'exempt')) return Object.fromEntries(others);
  if (flows.length === 0 && others.length > 0) others.push([flowHeader, 'none']);
  return Object.fromEntries([...others, ...flows]);
}

/** The rules of a review come from bindings in no order. */
function sortRules(body: object): void {
  const { status } = body as { status?: unknown };
  if (typeof status !== 'object' || status === null) return;
  for (const field of ['resourceRules', 'nonResourceRules']) {
    const rules = (status as Record<string, unknown>)[field];
    if (Array.isArray(rules)) rules.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
}

interface Status {
  readonly message?: string;
  readonly details?: { readonly causes?: readonly Cause[] };
}

interface Cause {
  readonly field?: string;
  readonly message?: string;
}

/** Causes stand in the order in which upstream came across them, that of a Go map sometimes, which is random: here sorted. */
function plainStatus(status: Status, ordered = false): unknown {
  const plain = (text: string): string => text.replace(versionPattern, '$1<version>');
  const { message, details } = status;
  if (!details?.causes) return { ...status, ...(message === undefined ? {} : { message: plain(message) }) };
  const causes = details.causes.map(cause => ({ ...cause, message: plain(cause.message ?? '') }));
  const key = (cause: object): string => JSON.stringify(cause);
  return {
    ...status,
    message: withoutCauses(plain(message ?? ''), causes),
    details: { ...details, causes: ordered ? causes : causes.sort((a, b) => (key(a) < key(b) ? -1 : 1)) },
  };
}

/** What stands before the causes, if these follow in their order and each once; else all of it. */
function withoutCauses(message: string, causes: readonly Cause[]): string {
  const texts = [...new Set(causes.map(({ field, message: text }) => `${field}: ${text}`))];
  const end = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
  return message.endsWith(end) ? `${message.slice(0, -end.length)}<the causes>` : message;
}

/** The causes as they came, to see in which order. */
export function causesOf(answer: Answer): string {
  const { details } = (withoutChance(answer).body ?? {}) as Status;
  return JSON.stringify(details?.causes ?? []).replace(versionPattern, '$1<version>');
}

interface Table {
  readonly columnDefinitions?: readonly { readonly description?: string }[] | null;
  readonly rows?: readonly { readonly object?: unknown; readonly cells: readonly unknown[] }[];
}

/** Ages grow, and columns have descriptions upstream, which are not shipped. */
function plainTable<T extends Table>(table: T): T {
  for (const { object } of table.rows ?? []) dropVersions(object);
  return {
    ...table,
    ...(table.columnDefinitions && {
      columnDefinitions: table.columnDefinitions.map(({ description: _prose, ...column }) => Object.values(column).join(', ')),
    }),
    ...(table.rows && { rows: table.rows.map(row => ({ ...row, cells: withoutAges(row.cells) })) }),
  };
}

function plainEvent(event: { type: string; object: { kind?: string; message?: string } & Table }): unknown {
  const { object } = event;
  dropVersions(object);
  return { ...event, object: object.kind === 'Status' ? plainStatus(object) : plainTable(object) };
}

const entryKeys = ['manager', 'operation', 'apiVersion', 'fieldsType', 'fieldsV1', 'subresource'];

function dropVersions(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  const { metadata, items } = body as { metadata?: Record<string, unknown>; items?: unknown };
  if (Array.isArray(items)) items.forEach(dropVersions);
  if (!metadata) return;
  delete metadata['resourceVersion'];
  // Entries stand in the order of their times, which upstream leaves out after a PUT of a Scale.
  const entries = metadata['managedFields'] as Record<string, unknown>[] | undefined;
  for (const entry of entries ?? []) delete entry['time'];
  // Of custom resources upstream sorts the keys.
  const keyOf = (entry: Record<string, unknown>): string =>
    JSON.stringify(Object.fromEntries(entryKeys.filter(key => key in entry).map(key => [key, entry[key]])));
  entries?.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
