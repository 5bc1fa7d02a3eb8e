/**
 * Property names as CEL identifiers and back, as Kubernetes escapes them: `namespace` is `__namespace__`, `foo.bar` is
 * `foo__dot__bar`.
 */

const reserved = new Set([
  ...['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let'],
  ...['loop', 'package', 'namespace', 'return', 'var', 'void', 'while'],
]);

const escapes: Readonly<Record<string, string>> = {
  __: '__underscores__',
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__',
};

const unescapes = new Map(Object.entries(escapes).map(([text, escaped]) => [escaped, text]));

export function isReserved(name: string): boolean {
  return reserved.has(name);
}

/** Undefined for names that no expression can use. */
export function escapeProperty(name: string): string | undefined {
  if (name === '' || /^[0-9]/.test(name)) return undefined;
  if (reserved.has(name)) return `__${name}__`;
  if (!/^[a-zA-Z0-9_./-]*$/.test(name)) return undefined;
  return name.replace(/__|[-./]/g, text => escapes[text]!);
}

/** Undefined for what no name is escaped to. */
export function unescapeProperty(escaped: string): string | undefined {
  if (!escaped.includes('__')) return escaped;
  let isValid = true;
  const name = escaped.replace(/_{2}[^_]+_{2}/g, text => {
    const known = unescapes.get(text);
    if (known !== undefined) return known;
    const word = text.slice(2, -2);
    if (!reserved.has(word) || text.length !== escaped.length) isValid = false;
    return word;
  });
  return isValid ? name : undefined;
}
