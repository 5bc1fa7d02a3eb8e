import { wideInteger } from './json-text.js';

/** What a plain scalar means to sigs.k8s.io/yaml, which reads YAML 1.1 with some of 1.2's forms. */
export type ScalarTag = 'str' | 'bool' | 'int' | 'float' | 'null' | 'merge';

export interface ResolvedScalar {
  readonly tag: ScalarTag;
  readonly value: string | number | bigint | boolean | null;
}

const words = new Map<string, ResolvedScalar>();
const add = (tag: ScalarTag, value: ResolvedScalar['value'], ...texts: string[]): void => {
  for (const text of texts) words.set(text, { tag, value });
};
add('bool', true, 'y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON');
add('bool', false, 'n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF');
add('null', null, '', '~', 'null', 'Null', 'NULL');
add('float', NaN, '.nan', '.NaN', '.NAN');
add('float', Infinity, '.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF');
add('float', -Infinity, '-.inf', '-.Inf', '-.INF');
add('merge', '<<', '<<');

const integer = /^[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/;
const float = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;

export function resolveScalar(text: string): ResolvedScalar {
  const known = words.get(text);
  if (known) return known;
  const first = text.charCodeAt(0);
  const numeric = (first >= 48 && first <= 57) || first === 43 || first === 45 || first === 46;
  if (!numeric) return { tag: 'str', value: text };
  const plain = first === 46 ? text : text.replaceAll('_', '');
  if (first !== 46 && integer.test(plain)) {
    const value = readInteger(plain);
    if (value >= -(1n << 63n) && value < 1n << 64n) return { tag: 'int', value: wideInteger(String(value)) ?? Number(value) };
  }
  if (float.test(plain)) {
    const value = Number(plain);
    if (Number.isFinite(value)) return { tag: 'float', value };
  }
  return { tag: 'str', value: text };
}

function readInteger(text: string): bigint {
  const negative = text.startsWith('-');
  const digits = text.replace(/^[-+]/, '');
  const value = /^0[0-7]/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  return negative ? -value : value;
}
