import { boolType, intType, objectType, stringType } from '../cel-type.js';
import type { Library } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import { parseGoUint, quoteGo } from '../../go-numbers.js';
import type { CelValue } from '../values.js';
import { CelError, compareStrings, noSuchOverload, ObjectValue } from '../values.js';

/** Kubernetes' `semver()`, with the rules and words of blang/semver. */

const semverType = objectType('kubernetes.Semver');

interface Version {
  readonly major: bigint;
  readonly minor: bigint;
  readonly patch: bigint;
  readonly prerelease: readonly (bigint | string)[];
  readonly text: string;
}

class SemverValue extends ObjectValue {
  readonly type = semverType;

  constructor(readonly version: Version) {
    super();
  }

  equals(other: CelValue): boolean | CelError {
    return other instanceof SemverValue ? compare(this.version, other.version) === 0 : noSuchOverload;
  }

  toString(): string {
    return this.version.text;
  }
}

function readNumber(text: string, name: string, title: string): bigint | CelError {
  if (!/^[0-9]*$/.test(text)) return new CelError(`Invalid character(s) found in ${name} number ${quoteGo(text)}`);
  if (text.length > 1 && text.startsWith('0'))
    return new CelError(`${title} number must not contain leading zeroes ${quoteGo(text)}`);
  return parseUint(text);
}

function parseUint(text: string): bigint | CelError {
  const value = parseGoUint(text);
  if (value !== undefined) return value;
  return new CelError(`strconv.ParseUint: parsing ${quoteGo(text)}: ${text === '' ? 'invalid syntax' : 'value out of range'}`);
}

function readPrerelease(text: string): bigint | string | CelError {
  if (text === '') return new CelError('Prerelease is empty');
  if (/^[0-9]+$/.test(text)) {
    if (text.length > 1 && text.startsWith('0')) {
      return new CelError(`Numeric PreRelease version must not contain leading zeroes ${quoteGo(text)}`);
    }
    return parseUint(text);
  }
  return /^[0-9A-Za-z-]+$/.test(text) ? text : new CelError(`Invalid character(s) found in prerelease ${quoteGo(text)}`);
}

function parse(text: string): Version | CelError {
  if (text === '') return new CelError('Version string empty');
  const parts = splitInThree(text);
  if (parts.length !== 3) return new CelError('No Major.Minor.Patch elements found');
  const major = readNumber(parts[0]!, 'major', 'Major');
  if (major instanceof CelError) return major;
  const minor = readNumber(parts[1]!, 'minor', 'Minor');
  if (minor instanceof CelError) return minor;
  const [beforeBuild, build] = cut(parts[2]!, '+');
  const [patchText, prereleaseText] = cut(beforeBuild, '-');
  const patch = readNumber(patchText, 'patch', 'Patch');
  if (patch instanceof CelError) return patch;
  const prerelease: (bigint | string)[] = [];
  for (const part of prereleaseText?.split('.') ?? []) {
    const read = readPrerelease(part);
    if (read instanceof CelError) return read;
    prerelease.push(read);
  }
  for (const part of build?.split('.') ?? []) {
    if (part === '') return new CelError('Build meta data is empty');
    if (!/^[0-9A-Za-z-]+$/.test(part)) return new CelError(`Invalid character(s) found in build meta data ${quoteGo(part)}`);
  }
  return { major, minor, patch, prerelease, text };
}

function cut(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator);
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}

function splitInThree(text: string): string[] {
  const parts = text.split('.');
  return parts.length <= 3 ? parts : [parts[0]!, parts[1]!, parts.slice(2).join('.')];
}

/** `v1.02` as `1.2.0`. */
function normalize(text: string): string | CelError {
  const parts = splitInThree(text.startsWith('v') ? text.slice(1) : text).map(part => {
    if (part.length <= 1) return part;
    const trimmed = part.replace(/^0+/, '');
    return /^[0-9]/.test(trimmed) ? trimmed : `0${trimmed}`;
  });
  if (parts.length < 3 && /[+-]/.test(parts.at(-1)!)) {
    return new CelError('short version cannot contain PreRelease/Build meta data');
  }
  while (parts.length < 3) parts.push('0');
  return parts.join('.');
}

function read(text: string, normalizes: boolean | null): Version | CelError {
  const normal = normalizes ? normalize(text) : text;
  return normal instanceof CelError ? normal : parse(normal);
}

function toSemver(text: string, normalizes: boolean | null): CelValue {
  const version = read(text, normalizes);
  return version instanceof CelError ? version : new SemverValue(version);
}

function isSemver(text: string, normalizes: boolean | null): CelValue {
  return !(read(text, normalizes) instanceof CelError);
}

function order<T extends bigint | number>(left: T, right: T): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function compare(left: Version, right: Version): number {
  const numbers = order(left.major, right.major) || order(left.minor, right.minor) || order(left.patch, right.patch);
  if (numbers !== 0) return numbers;
  if (left.prerelease.length === 0 || right.prerelease.length === 0) {
    return order(right.prerelease.length > 0 ? 1 : 0, left.prerelease.length > 0 ? 1 : 0);
  }
  for (const [index, part] of left.prerelease.entries()) {
    const other = right.prerelease[index];
    if (other === undefined) return 1;
    const result = comparePart(part, other);
    if (result !== 0) return result;
  }
  return left.prerelease.length < right.prerelease.length ? -1 : 0;
}

function comparePart(left: bigint | string, right: bigint | string): number {
  if (typeof left === 'bigint') return typeof right === 'bigint' ? order(left, right) : -1;
  return typeof right === 'bigint' ? 1 : compareStrings(left, right);
}

const two = [semverType, semverType];
const textAndBool = [stringType, boolType];

function comparison(name: string, id: string, holds: (result: number) => boolean) {
  return declare(
    name,
    memberOverload(id, two, boolType, (left: SemverValue, right: SemverValue): CelValue => {
      return holds(compare(left.version, right.version));
    }),
  );
}

function part(name: 'major' | 'minor' | 'patch') {
  return declare(
    name,
    memberOverload(`semver_${name}`, [semverType], intType, (value: SemverValue): CelValue => value.version[name]),
  );
}

export const semverLibrary: Library = {
  functions: [
    declare(
      'semver',
      overload('string_to_semver', [stringType], semverType, toSemver),
      overload('string_bool_to_semver', textAndBool, semverType, toSemver),
    ),
    declare(
      'isSemver',
      overload('is_semver_string', [stringType], boolType, isSemver),
      overload('is_semver_string_bool', textAndBool, boolType, isSemver),
    ),
    comparison('isGreaterThan', 'semver_is_greater_than', result => result > 0),
    comparison('isLessThan', 'semver_is_less_than', result => result < 0),
    declare(
      'compareTo',
      memberOverload('semver_compare_to', two, intType, (left: SemverValue, right: SemverValue): CelValue => {
        return BigInt(compare(left.version, right.version));
      }),
    ),
    part('major'),
    part('minor'),
    part('patch'),
  ],
};
