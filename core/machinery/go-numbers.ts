/** Numbers between text and value by Go's rules (strconv, fmt). */

const decimalFloat = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const underscored = /^[+-]?0[xXbBoO]?|_/;
const hexFloat = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?[pP]([+-]?[0-9]+)$/;

/** strconv.ParseFloat with 64 bits; undefined for text that is no number or out of range. */
export function parseGoFloat(text: string): number | undefined {
  if (decimalFloat.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : undefined;
  }
  const lower = text.toLowerCase();
  switch (lower) {
    case 'nan':
      return NaN;
    case 'inf':
    case '+inf':
    case 'infinity':
    case '+infinity':
      return Infinity;
    case '-inf':
    case '-infinity':
      return -Infinity;
  }
  if (!underscored.test(text)) return undefined;
  const hex = hexFloat.exec(text);
  if (!hex || (hex[2] === '' && !hex[3])) return undefined;
  const fraction = hex[3] ?? '';
  const mantissa = Number(BigInt(`0x${hex[2]}${fraction}`));
  const value = mantissa * 2 ** (Number(hex[4]) - fraction.length * 4);
  if (!Number.isFinite(value)) return undefined;
  return hex[1] === '-' ? -value : value;
}

/** strconv.ParseInt in base 10; undefined for text that is no number or does not fit. */
export function parseGoInt(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]+$/.test(text) || text.length > 400) return undefined;
  const value = text.startsWith('+') ? BigInt(text.slice(1)) : BigInt(text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** strconv.ParseUint in base 10. */
export function parseGoUint(text: string): bigint | undefined {
  if (!/^[0-9]+$/.test(text) || text.length > 400) return undefined;
  const value = BigInt(text);
  return BigInt.asUintN(64, value) === value ? value : undefined;
}

function infinite(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return undefined;
  return value > 0 ? '+Inf' : '-Inf';
}

/** fmt's %g: the shortest text that reads back as the value. */
export function formatGoFloat(value: number): string {
  const special = infinite(value);
  if (special !== undefined) return special;
  if (Object.is(value, -0)) return '-0';
  if (value === 0) return '0';
  const [mantissa, exponentText] = value.toExponential().split('e') as [string, string];
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 6) return plainFloat(value);
  const digits = Math.abs(exponent).toString().padStart(2, '0');
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${digits}`;
}

/** strconv.FormatFloat(value, 'f', -1, 64). */
export function plainFloat(value: number): string {
  const special = infinite(value);
  if (special !== undefined) return special;
  if (Object.is(value, -0)) return '-0';
  const text = value.toString();
  if (!text.includes('e')) return text;
  const [mantissa, exponentText] = text.split('e') as [string, string];
  const exponent = Number(exponentText);
  const sign = mantissa.startsWith('-') ? '-' : '';
  const [whole, fraction = ''] = mantissa.replace('-', '').split('.') as [string, string?];
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${whole}${fraction}`;
  return `${sign}${whole}${fraction.padEnd(exponent, '0')}`;
}

/** The value as an exact fraction of a power of two, then as decimal digits, rounded half to even on the exact value. */
export function fixedFloat(value: number, precision: number): string {
  const special = infinite(value);
  if (special !== undefined) return special;
  const negative = value < 0 || Object.is(value, -0);
  const { mantissa, exponent } = exactParts(Math.abs(value));
  const scaled = mantissa * 10n ** BigInt(precision);
  let rounded: bigint;
  if (exponent >= 0) rounded = scaled << BigInt(exponent);
  else {
    const shift = BigInt(-exponent);
    rounded = scaled >> shift;
    const rest = scaled - (rounded << shift);
    const half = 1n << (shift - 1n);
    if (rest > half || (rest === half && rounded % 2n === 1n)) rounded++;
  }
  const digits = rounded.toString().padStart(precision + 1, '0');
  const whole = digits.slice(0, digits.length - precision);
  const fraction = precision > 0 ? `.${digits.slice(-precision)}` : '';
  return `${negative ? '-' : ''}${whole}${fraction}`;
}

function exactParts(value: number): { mantissa: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number(bits >> 52n) & 0x7ff;
  const fraction = bits & ((1n << 52n) - 1n);
  if (biased === 0) return { mantissa: fraction, exponent: -1074 };
  return { mantissa: fraction | (1n << 52n), exponent: biased - 1075 };
}

const quoteEscapes = new Map<number, string>([
  [7, '\\a'],
  [8, '\\b'],
  [9, '\\t'],
  [10, '\\n'],
  [11, '\\v'],
  [12, '\\f'],
  [13, '\\r'],
  [34, '\\"'],
  [92, '\\\\'],
]);

const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

/** strconv.Quote. */
export function quoteGo(text: string): string {
  let result = '"';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const escape = quoteEscapes.get(code);
    if (escape !== undefined) result += escape;
    else if (!unprintable.test(character)) result += character;
    else if (code < 0x80) result += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (code <= 0xffff) result += `\\u${code.toString(16).padStart(4, '0')}`;
    else result += `\\U${code.toString(16).padStart(8, '0')}`;
  }
  return `${result}"`;
}

/** For those who count with it: a field that may be a BigInt, where no number holds it exactly, as the nearest number. */
export function nearestNumber(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
