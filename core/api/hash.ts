import type { PodTemplateSpec } from './generated/types.js';

/** Letters and digits that make no words. Source: apimachinery util/rand. */
const safeAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** JSON with sorted keys and without undefined or empty values: equal for objects that a server would store alike. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    const record = inner as Record<string, unknown>;
    const sorted: Record<string, unknown> = {};
    for (const key of Object.keys(record).sort()) {
      const child = record[key];
      if (child !== undefined && child !== null) sorted[key] = child;
    }
    return sorted;
  });
}

export function fnv32a(bytes: Uint8Array, seed = 0x811c9dc5): number {
  let hash = seed;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Maps every character of a number's text to one that makes no words. */
export function safeEncode(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) out += safeAlphabet[text.charCodeAt(i) % safeAlphabet.length];
  return out;
}

/**
 * The value of `pod-template-hash` and of revision labels. Stable over restarts; not the number that upstream computes, which
 * hashes the memory layout of Go types.
 */
export function hashOf(value: unknown, collisionCount?: number): string {
  let hash = fnv32a(new TextEncoder().encode(canonicalJson(value)));
  if (collisionCount !== undefined) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setUint32(0, collisionCount, true);
    hash = fnv32a(bytes, hash);
  }
  return safeEncode(String(hash));
}

export function podTemplateHash(template: PodTemplateSpec, collisionCount?: number): string {
  return hashOf(template, collisionCount);
}
