import { PrintedValue, goJsonText, withSortedKeys } from '../machinery/field-errors.js';
import type { InternalType } from './generated/internal-types.js';
import { generatedData } from './schema-data.js';

/** A type whose values messages print, a pointer to it, a list of it, or what is kept as the JSON that it came in. */
export type PrintedType = InternalType | `*${InternalType}` | `[]${InternalType}` | 'json';

type Json = Readonly<Record<string, unknown>>;

/** JSON text, or what is made of such texts. */
type Printed = string | readonly Printed[] | ReadonlyMap<string, Printed>;

interface Field {
  /** As it is printed; '' where its members stand among those of its owner. */
  readonly name: string;
  /**
   * Where clients write it; '' for the owner itself, `{}` or `[]` for the owner that is an object or list, `?` for whether it is
   * not false, `^` before what stands beside the owner, undefined for nowhere.
   */
  readonly source: string | undefined;
  readonly type: string;
  readonly omitEmpty: boolean;
}

const nothing: Json = {};
let tables: Readonly<Record<string, readonly string[]>> | undefined;

/**
 * A value as upstream's messages print it: as JSON of the Go type that it is held in there, whose fields mostly have no names of
 * JSON, so that all are shown, by their Go names and in their Go order. For messages only: the tables are read at first use.
 */
export function internalValue(type: PrintedType, value: object | null | undefined): PrintedValue {
  return new PrintedValue(write(print(type, value, nothing), undefined));
}

/** The same, a field a line. */
export function internalLines(type: PrintedType, value: object | null | undefined): string[] {
  return write(print(type, value, nothing), '\n').split('\n');
}

function print(type: string, value: unknown, beside: Json): Printed {
  const absent = value === undefined || value === null;
  if (type.startsWith('*')) return absent ? 'null' : print(type.slice(1), value, beside);
  if (type.startsWith('[]')) return absent ? 'null' : (value as unknown[]).map(item => print(type.slice(2), item, nothing));
  if (type.startsWith('map[string]')) {
    if (absent) return 'null';
    const entries = Object.entries(value as Json).sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map(entries.map(([key, item]) => [key, print(type.slice('map[string]'.length), item, nothing)]));
  }
  if (type === 'any') return goJsonText(withSortedKeys(value ?? null));
  if (!type.includes('.')) return absent ? (zeros[type] ?? 'null') : goJsonText(value);
  return printStruct(type, (value ?? nothing) as Json, beside);
}

/** What Go writes for nothing; null where it is not here. */
const zeros: Readonly<Record<string, string>> = {
  string: '""',
  bool: 'false',
  number: '0',
  quantity: '"0"',
  intOrString: '0',
  duration: '"0s"',
};

function printStruct(type: string, value: Json, beside: Json): ReadonlyMap<string, Printed> {
  const members = new Map<string, Printed>();
  for (const field of fieldsOf(type)) {
    const held = valueOf(field, value, beside);
    if (field.omitEmpty && (field.type.startsWith('*') ? held === undefined || held === null : isEmpty(held))) continue;
    const printed = print(field.type, held, value);
    if (field.name !== '') members.set(field.name, printed);
    else for (const [name, inner] of printed as ReadonlyMap<string, Printed>) members.set(name, inner);
  }
  return members;
}

function valueOf({ source }: Field, value: Json, beside: Json): unknown {
  if (source === undefined) return undefined;
  if (source === '') return value;
  if (source === '{}') return value !== nothing && isObject(value) ? value : undefined;
  if (source === '[]') return Array.isArray(value) ? value : undefined;
  if (source === '?') return value !== nothing && (value as unknown) !== false;
  if (source.startsWith('^')) return beside[source.slice(1)];
  const [name, olderName] = source.split('|') as [string, string?];
  return olderName === undefined ? value[name] : value[name] || value[olderName];
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === '' || value === 0 || value === false;
}

function fieldsOf(type: string): Field[] {
  tables ??= generatedData<Record<string, readonly string[]>>('internal-types');
  const fields = tables[type];
  if (!fields) throw new Error(`${type} is not in internal-types.json`);
  return fields.map(text => {
    const [, name = '', given, rest = ''] = /^([^=:]*)(?:=([^:]*))?:(.*)$/.exec(text)!;
    const [fieldType = '', ...options] = rest.split(',');
    const source = given ?? name.charAt(0).toLowerCase() + name.slice(1);
    return { name, source: source === '-' ? undefined : source, type: fieldType, omitEmpty: options.length > 0 };
  });
}

/** With `newLine` a member a line, behind it one space for each level. */
function write(printed: Printed, newLine: string | undefined): string {
  if (typeof printed === 'string') return printed;
  const inner = newLine === undefined ? undefined : `${newLine} `;
  const [open, close] = printed instanceof Map ? '{}' : '[]';
  const members =
    printed instanceof Map
      ? [...(printed as ReadonlyMap<string, Printed>)].map(
          ([name, value]) => `${goJsonText(name)}:${inner === undefined ? '' : ' '}${write(value, inner)}`,
        )
      : (printed as readonly Printed[]).map(value => write(value, inner));
  if (members.length === 0) return `${open}${close}`;
  return `${open}${inner ?? ''}${members.join(`,${inner ?? ''}`)}${newLine ?? ''}${close}`;
}
