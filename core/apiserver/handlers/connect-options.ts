import type { KubeObject } from '../../machinery/object.js';
import { cloneJson, formatApiVersion, jsonEqual } from '../../machinery/object.js';
import type { StructType, TypeNode } from '../../machinery/schema.js';
import { internalError } from '../../machinery/status-error.js';
import type { RequestContext } from '../registry/resource-definition.js';
import type { RequestInfo } from './request-info.js';
import type { ServedResource } from './served-resource.js';

/**
 * Lets admission see what a connection is opened with, as an object of the options' kind (PodExecOptions and its like). Resolves the
 * query as admission left it. A log is read, not connected to.
 */
export async function admitConnection(
  { store, data, types, definition }: ServedResource,
  info: RequestInfo,
  context: RequestContext,
): Promise<URLSearchParams> {
  const sub = data.subresources?.find(({ name }) => name === info.subresource);
  const { group, version } = definition.reference;
  const kind = { group: sub?.group ?? group, version: sub?.version ?? version, kind: sub?.kind ?? '' };
  const struct = types.kind(kind.group, kind.version, kind.kind);
  if (!struct || kind.kind === definition.reference.kind) return info.query;
  const options = { kind: kind.kind, apiVersion: formatApiVersion(kind), ...fieldsOf(struct, info) };
  // Every attribute's object has metadata, which options have not.
  const admitted = { ...cloneJson(options), metadata: {} } as KubeObject;
  await store.admitBody(context, kind.kind, { body: admitted });
  const { metadata: _metadata, ...left } = admitted;
  return jsonEqual(left, options) ? info.query : queryOf(struct, left, info);
}

function fieldsOf(struct: StructType, { query, rest }: RequestInfo): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, type] of queryFields(struct)) {
    const all = name === 'path' ? [rest] : query.getAll(name);
    const [text = ''] = all;
    if (type.kind === 'list') {
      const isText = type.element.kind === 'primitive' && type.element.primitive === 'string';
      if (all.length) fields[name] = isText ? all : all.flatMap(list => list.split(',').map(Number).filter(Number.isInteger));
    } else if (type.kind !== 'primitive' || type.primitive !== 'bool') {
      if (text) fields[name] = text;
    } else if (all.length && text !== '0' && text.toLowerCase() !== 'false') fields[name] = true;
  }
  return fields;
}

function queryOf(struct: StructType, options: Readonly<Record<string, unknown>>, info: RequestInfo): URLSearchParams {
  const query = new URLSearchParams(info.query);
  for (const [name] of queryFields(struct)) {
    const value = options[name];
    if (name === 'path') {
      if ((value ?? '') !== info.rest)
        throw internalError('admission changed the path of a proxied request, which cannot be done');
      continue;
    }
    query.delete(name);
    for (const single of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (single !== undefined && single !== null) query.append(name, String(single));
    }
  }
  return query;
}

function* queryFields(struct: StructType): Generator<[string, TypeNode]> {
  for (const [name, { type }] of struct.jsonFields) if (name !== 'kind' && name !== 'apiVersion') yield [name, type];
}
