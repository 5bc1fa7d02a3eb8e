// Prints wire tables from .proto files: of CRI and the containerd services that the containerd plugin calls, or of the services that
// the kubelet and the plugins of its node call. Facts only: message and method names, field names, types and numbers. Run by hand when
// an API is taken up; its output is committed.
//   node scripts/runtime/wire-tables.mjs CRI-API-MODULE CONTAINERD-MODULE > plugins/container-runtime/containerd/wire/generated/tables.ts
//   node scripts/runtime/wire-tables.mjs KUBELET-MODULE > core/kubelet/extensions/generated/wire-tables.ts
// The arguments are the folders of the Go modules k8s.io/cri-api, github.com/containerd/containerd and k8s.io/kubelet
// (`go mod download -json`).
import fs from 'node:fs';
import path from 'node:path';

const ofContainerd = {
  'runtime.v1.RuntimeService': [
    'Version',
    'Status',
    'RunPodSandbox',
    'StopPodSandbox',
    'RemovePodSandbox',
    'PodSandboxStatus',
    'ListPodSandbox',
    'CreateContainer',
    'StartContainer',
    'StopContainer',
    'RemoveContainer',
    'ListContainers',
    'ContainerStatus',
    'UpdateContainerResources',
    'ReopenContainerLog',
    'ExecSync',
    'Exec',
    'Attach',
    'PortForward',
    'ListContainerStats',
    'UpdateRuntimeConfig',
  ],
  'runtime.v1.ImageService': ['ListImages', 'ImageStatus', 'PullImage', 'RemoveImage', 'ImageFsInfo'],
  'containerd.services.containers.v1.Containers': ['Get'],
  'containerd.services.events.v1.Events': ['Subscribe'],
  'containerd.services.snapshots.v1.Snapshots': ['View', 'Mounts', 'Remove'],
  'containerd.services.tasks.v1.Tasks': ['Exec', 'Start', 'Wait', 'CloseIO', 'ResizePty', 'Kill', 'DeleteProcess'],
  'containerd.services.version.v1.Version': ['Version'],
};
const messagesOfContainerd = [
  'containerd.events.ContainerCreate',
  'containerd.events.ContainerDelete',
  'containerd.events.TaskStart',
  'containerd.events.TaskExit',
  'containerd.events.TaskOOM',
];
const ofKubelet = {
  'pluginregistration.Registration': ['GetInfo', 'NotifyRegistrationStatus'],
  'v1beta1.Registration': ['Register'],
  'v1beta1.DevicePlugin': ['GetDevicePluginOptions', 'ListAndWatch', 'GetPreferredAllocation', 'Allocate', 'PreStartContainer'],
  'k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin': ['NodePrepareResources', 'NodeUnprepareResources'],
  'k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin': ['NodePrepareResources', 'NodeUnprepareResources'],
  'v1alpha1.DRAResourceHealth': ['NodeWatchResources'],
  'v1.PodResourcesLister': ['List', 'Get', 'GetAllocatableResources'],
};
const messagesOfKubelet = ['v1beta1.ContainerAllocateResponse'];
/** Packages of the kubelet's services have names that say little. */
const areas = {
  pluginregistration: 'plugin',
  v1beta1: 'device',
  'k8s.io.kubelet.pkg.apis.dra.v1': 'dra',
  'k8s.io.kubelet.pkg.apis.dra.v1beta1': 'draBeta',
  v1alpha1: 'draHealth',
  v1: 'podResources',
};

const scalars = new Set(['string', 'bool', 'int32', 'int64', 'uint32', 'uint64', 'double', 'float', 'bytes']);
const tableType = { double: 'float64', float: 'float32' };

const messages = new Map();
const enums = new Map();
const methods = new Map();

const wellKnown = `
syntax = "proto3"; package google.protobuf;
message Any { string type_url = 1; bytes value = 2; }
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Empty {}
message FieldMask { repeated string paths = 1; }
`;

function tokens(text) {
  return (
    text
      .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
      .match(/"(?:[^"\\]|\\.)*"|[A-Za-z_][\w.]*|\.[A-Za-z_][\w.]*|-?\d\w*|[{}()[\];=<>,]/g) ?? []
  );
}

/** Skips from an opening bracket to behind its closing one. */
function skip(list, at) {
  const pairs = { '{': '}', '[': ']', '(': ')' };
  const close = pairs[list[at]];
  for (at++; list[at] !== close; at++) if (pairs[list[at]]) at = skip(list, at) - 1;
  return at + 1;
}

function parse(text) {
  const list = tokens(text);
  let at = 0;
  let scope = '';
  const next = () => list[at++];
  const statementEnd = () => {
    while (list[at] !== ';') at = '{[('.includes(list[at]) ? skip(list, at) : at + 1;
    at++;
  };
  const parseEnum = prefix => {
    const name = `${prefix}.${next()}`;
    const values = [];
    at++;
    while (list[at] !== '}') {
      const word = next();
      if (word === 'option' || word === 'reserved') statementEnd();
      else {
        at++;
        values[Number(next())] = word;
        if (list[at] === '[') at = skip(list, at);
        at++;
      }
    }
    at++;
    enums.set(name, values);
  };
  const parseMessage = prefix => {
    const name = `${prefix}.${next()}`;
    const fields = [];
    at++;
    const body = () => {
      while (list[at] !== '}') {
        const word = next();
        if (word === 'option' || word === 'reserved' || word === 'extensions') statementEnd();
        else if (word === 'message') parseMessage(name);
        else if (word === 'enum') parseEnum(name);
        else if (word === 'oneof') {
          at += 2;
          body();
        } else if (word === ';') continue;
        else fields.push(parseField(word));
      }
      at++;
    };
    const parseField = word => {
      let list_ = false;
      let type = word;
      let map = false;
      if (type === 'repeated' || type === 'optional') {
        list_ = type === 'repeated';
        type = next();
      }
      if (type === 'map') {
        at++;
        const key = next();
        if (key !== 'string') throw new Error(`${name}: map with key ${key}`);
        at++;
        type = next();
        at++;
        map = true;
      }
      const fieldName = next();
      at++;
      const number = Number(next());
      if (list[at] === '[') at = skip(list, at);
      at++;
      return { name: fieldName, type, number, list: list_, map };
    };
    body();
    messages.set(name, fields);
  };
  const parseService = () => {
    const name = `${scope}.${next()}`;
    at++;
    while (list[at] !== '}') {
      const word = next();
      if (word !== 'rpc') {
        statementEnd();
        continue;
      }
      const method = next();
      at++;
      if (list[at] === 'stream') at++;
      const request = next();
      at += 3;
      let stream = false;
      if (list[at] === 'stream') {
        stream = true;
        at++;
      }
      const response = next();
      at++;
      if (list[at] === '{') at = skip(list, at);
      if (list[at] === ';') at++;
      methods.set(`${name}/${method}`, { request: resolve(request, scope), response: resolve(response, scope), stream, scope });
    }
    at++;
  };
  while (at < list.length) {
    const word = next();
    if (word === 'package') {
      scope = next();
      at++;
    } else if (word === 'message') parseMessage(scope);
    else if (word === 'enum') parseEnum(scope);
    else if (word === 'service') parseService();
    else if (word !== ';') statementEnd();
  }
}

/** Types are resolved later: a name as it was written, and where. */
function resolve(type, scope) {
  return { type, scope };
}

function lookUp({ type, scope }) {
  if (type.startsWith('.')) type = type.slice(1);
  for (let at = scope; ; at = at.slice(0, at.lastIndexOf('.'))) {
    const full = at ? `${at}.${type}` : type;
    if (messages.has(full) || enums.has(full)) return full;
    if (!at) break;
    if (!at.includes('.')) {
      if (messages.has(type) || enums.has(type)) return type;
      break;
    }
  }
  throw new Error(`unknown type ${type} in ${scope}`);
}

const camel = name =>
  /^[A-Z]+$/.test(name)
    ? name.toLowerCase()
    : name.replace(/_+([a-z0-9])/gi, (_, letter) => letter.toUpperCase()).replace(/^[A-Z]/, c => c.toLowerCase());
const quote = text => `'${text}'`;

const modules = process.argv.slice(2);
if (modules.length < 1 || modules.length > 2) {
  console.error('usage: node scripts/runtime/wire-tables.mjs CRI-API-MODULE CONTAINERD-MODULE | KUBELET-MODULE');
  process.exit(2);
}
const forKubelet = modules.length === 1;
const wanted = forKubelet ? ofKubelet : ofContainerd;
const wantedMessages = forKubelet ? messagesOfKubelet : messagesOfContainerd;

function containerdFiles(criApi, containerd) {
  const api = path.join(containerd, 'api');
  return [
    path.join(criApi, 'pkg/apis/runtime/v1/api.proto'),
    path.join(api, 'types/descriptor.proto'),
    path.join(api, 'types/metrics.proto'),
    path.join(api, 'types/mount.proto'),
    path.join(api, 'types/task/task.proto'),
    path.join(api, 'events/container.proto'),
    path.join(api, 'events/task.proto'),
    path.join(api, 'services/containers/v1/containers.proto'),
    path.join(api, 'services/events/v1/events.proto'),
    path.join(api, 'services/snapshots/v1/snapshots.proto'),
    path.join(api, 'services/tasks/v1/tasks.proto'),
    path.join(api, 'services/version/v1/version.proto'),
  ];
}

function kubeletFiles(kubelet) {
  const names = [
    'pluginregistration/v1',
    'deviceplugin/v1beta1',
    'dra/v1',
    'dra/v1beta1',
    'dra-health/v1alpha1',
    'podresources/v1',
  ];
  return names.map(name => path.join(kubelet, 'pkg/apis', name, 'api.proto'));
}

const files = forKubelet ? kubeletFiles(...modules) : containerdFiles(...modules);
parse(wellKnown);
for (const file of files) parse(fs.readFileSync(file, 'utf8'));

const lines = [];
const from = modules.map(folder => path.basename(folder)).join(' and ');
lines.push(
  `/** generatedBy scripts/runtime/wire-tables.mjs from the ${forKubelet ? 'module' : 'modules'} ${from}. Do not edit. */`,
);
const door = forKubelet ? '../../../machinery/codec/wire-codec.js' : '../../../../../core/plugin-api/wire.js';
lines.push(`import type { MethodTable, WireTable } from '${door}';`, '');

const needed = new Set();
const need = name => {
  if (needed.has(name) || enums.has(name)) return;
  needed.add(name);
  for (const field of messages.get(name)) if (!scalars.has(field.type)) need(lookUp({ type: field.type, scope: name }));
};
const chosen = [];
for (const [service, names] of Object.entries(wanted)) {
  for (const name of names) {
    const method = methods.get(`${service}/${name}`);
    if (!method) throw new Error(`no method ${service}/${name}`);
    const request = lookUp(method.request);
    const response = lookUp(method.response);
    need(request);
    need(response);
    chosen.push({ path: `/${service}/${name}`, request, response, stream: method.stream });
  }
}
for (const name of wantedMessages) need(name);

// Short names: CRI's own, others with the last part of their package that tells them apart.
const shortNames = new Map();
const isCri = name => name.startsWith('runtime.v1.');
const capital = word => word[0].toUpperCase() + word.slice(1);
/** Of a service or message: what tells its package from others. */
const areaOf = name => {
  const place = name.slice(0, name.lastIndexOf('.'));
  if (areas[place]) return areas[place];
  return isCri(name) ? '' : place.split('.')[2];
};
for (const name of [...needed].sort((a, b) => isCri(b) - isCri(a) || (a < b ? -1 : 1))) {
  const parts = name.split('.');
  const last = parts.at(-1);
  let short = last;
  if (forKubelet) short = `${capital(areaOf(name))}${last}`;
  else if (name.startsWith('containerd.services.')) short = `${capital(parts[2])}${last}`;
  else if (!name.startsWith('runtime.v1.')) short = name.startsWith('google.') ? `Wire${last}` : last;
  if ([...shortNames.values()].includes(short)) short = parts.slice(-2).map(capital).join('');
  shortNames.set(name, short);
}

lines.push('export const tables: WireTable = {');
for (const name of [...needed].sort()) {
  lines.push(`  ${quote(name)}: [`);
  for (const field of messages.get(name)) {
    let type = tableType[field.type] ?? field.type;
    let values;
    if (!scalars.has(field.type)) {
      type = lookUp({ type: field.type, scope: name });
      if (enums.has(type)) {
        values = enums.get(type);
        type = 'int32';
      }
    }
    if (field.list) type = `[]${type}`;
    if (field.map) type = `map[string]${type}`;
    const extra = values ? `, enum: [${Array.from(values, value => quote(value ?? '')).join(', ')}]` : '';
    lines.push(`    { name: ${quote(camel(field.name))}, type: ${quote(type)}, number: ${field.number}${extra} },`);
  }
  lines.push('  ],');
}
lines.push('};', '');

lines.push('export const methods = {');
for (const { path: route, request, response, stream } of chosen) {
  const [, service, method] = route.split('/');
  const area = areaOf(service) ? `${areaOf(service)}.` : '';
  lines.push(
    `  ${quote(`${area}${method}`)}: { path: ${quote(route)}, request: ${quote(request)}, response: ${quote(response)}${stream ? ', stream: true' : ''} },`,
  );
}
lines.push('} as const satisfies MethodTable;', '');

for (const name of [...needed].sort()) {
  lines.push(`export interface ${shortNames.get(name)} {`);
  for (const field of messages.get(name)) {
    let type;
    if (field.type === 'string') type = 'string';
    else if (field.type === 'bool') type = 'boolean';
    else if (field.type === 'bytes') type = 'Uint8Array';
    else if (scalars.has(field.type)) type = 'number';
    else {
      const full = lookUp({ type: field.type, scope: name });
      type = enums.has(full) ? enums.get(full).filter(Boolean).map(quote).join(' | ') : shortNames.get(full);
      if (enums.has(full) && field.list) type = `(${type})`;
    }
    if (field.list) type = `readonly ${type}[]`;
    if (field.map) type = `Readonly<Record<string, ${type}>>`;
    lines.push(`  readonly ${camel(field.name)}?: ${type};`);
  }
  lines.push('}', '');
}

lines.push('/** Request and answer of every method. */', 'export interface Calls {');
for (const { path: route, request, response } of chosen) {
  const [, service, method] = route.split('/');
  const area = areaOf(service) ? `${areaOf(service)}.` : '';
  lines.push(`  ${quote(`${area}${method}`)}: { request: ${shortNames.get(request)}; response: ${shortNames.get(response)} };`);
}
lines.push('}', '');
lines.push('/** Messages that are read out of an Any or by name. */', 'export interface NamedMessages {');
for (const name of wantedMessages) lines.push(`  ${quote(name)}: ${shortNames.get(name)};`);
lines.push('}');
process.stdout.write(`${lines.join('\n')}\n`);
