import { jsonText } from './json-text.js';
/** JSON bytes of a canonical object, with kind, apiVersion and metadata first. HTML characters are not escaped. */
export function encodeJson(object: object): Buffer {
  return Buffer.from(encodeJsonText(object));
}

export function encodeJsonText(object: object): string {
  return jsonText(inOrder(object as Record<string, unknown>));
}

function inOrder(object: Record<string, unknown>): Record<string, unknown> {
  let position = 0;
  for (const key in object) {
    if (key !== leading[position]) break;
    if (++position === leading.length) return object;
  }
  const { kind, apiVersion, metadata, ...rest } = object;
  const ordered: Record<string, unknown> = {};
  if (kind !== undefined) ordered.kind = kind;
  if (apiVersion !== undefined) ordered.apiVersion = apiVersion;
  if (metadata !== undefined) ordered.metadata = metadata;
  return { ...ordered, ...rest };
}

const leading = ['kind', 'apiVersion', 'metadata'];

/** As encodeJson, with Go's two-space indentation, for `?pretty=true`. */
export function encodePrettyJson(object: object): Buffer {
  return Buffer.from(jsonText(inOrder(object as Record<string, unknown>), { indent: 2 }));
}
