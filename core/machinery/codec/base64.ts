/** The canonical text of standard base64, or what is wrong with it in the words of Go's encoding/base64. */
export type Base64Result = { readonly text: string } | { readonly error: string };

const clean = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$/;

/** Line breaks are skipped and spare bits of the last character cleared, as Go does. */
export function canonicalBase64(text: string): Base64Result {
  if (!clean.test(text)) {
    const offset = corruptAt(text);
    if (offset >= 0) return { error: `illegal base64 data at input byte ${offset}` };
    return { text: Buffer.from(text, 'base64').toString('base64') };
  }
  if (!text.endsWith('=')) return { text };
  const last = text.slice(-4);
  return { text: text.slice(0, -4) + Buffer.from(last, 'base64').toString('base64') };
}

/** Offset that Go's decoder reports, -1 when the text is sound. */
function corruptAt(text: string): number {
  const isAlphabet = (code: number): boolean =>
    (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || (code >= 47 && code <= 57) || code === 43;
  const isBreak = (character: string | undefined): boolean => character === '\n' || character === '\r';
  let inQuantum = 0;
  let at = 0;
  for (; at < text.length; at++) {
    if (isBreak(text[at])) continue;
    if (text[at] !== '=') {
      if (!isAlphabet(text.charCodeAt(at))) return Buffer.byteLength(text.slice(0, at));
      inQuantum = (inQuantum + 1) % 4;
      continue;
    }
    if (inQuantum < 2) return at;
    if (inQuantum === 2) {
      do at++;
      while (isBreak(text[at]));
      if (at >= text.length) return text.length;
      if (text[at] !== '=') return at;
    }
    do at++;
    while (isBreak(text[at]));
    return at < text.length ? at : -1;
  }
  return inQuantum === 0 ? -1 : at - inQuantum;
}
