/**
 * The smallest string above every key that begins with `prefix`, in the order of UTF-8 bytes (which is that of code points);
 * undefined when there is none.
 */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix, character => character.codePointAt(0)!);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue;
    // Surrogates are no characters: behind U+D7FF comes U+E000.
    const next = last === 0xd7ff ? 0xe000 : last + 1;
    return String.fromCodePoint(...points, next);
  }
  return undefined;
}

const firstSurrogate = 0xd800;

/** Order of the keys' UTF-8 bytes. JavaScript's own order differs from it only where surrogates meet U+E000 and above. */
export function compareKeys(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    let a = left.charCodeAt(at);
    let b = right.charCodeAt(at);
    if (a === b) continue;
    if (a >= firstSurrogate && b >= firstSurrogate) {
      // Moves the surrogates, which stand for code points above U+FFFF, behind the rest.
      a = a >= 0xe000 ? a - 0x800 : a + 0x2000;
      b = b >= 0xe000 ? b - 0x800 : b + 0x2000;
    }
    return a - b;
  }
  return left.length - right.length;
}
