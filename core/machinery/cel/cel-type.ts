/**
 * CEL's types, as the checker and the evaluator see them. Names and the rules of assignment: cel-go's common/types.
 * Types are compared by structure; the simple ones exist once.
 */
export type TypeKind =
  | 'bool'
  | 'bytes'
  | 'double'
  | 'duration'
  | 'dyn'
  | 'error'
  | 'int'
  | 'list'
  | 'map'
  | 'null'
  | 'opaque'
  | 'string'
  | 'struct'
  | 'timestamp'
  | 'type'
  | 'parameter'
  | 'uint';

export class CelType {
  constructor(
    readonly kind: TypeKind,
    /** The name at run time, without parameters. */
    readonly name: string,
    readonly parameters: readonly CelType[] = noParameters,
  ) {}

  get isDyn(): boolean {
    return this.kind === 'dyn';
  }

  get isDynOrError(): boolean {
    return this.kind === 'dyn' || this.kind === 'error';
  }

  get isOptional(): boolean {
    return this.kind === 'opaque' && this.name === 'optional_type';
  }

  /** The same type, parameters included. */
  equals(other: CelType): boolean {
    if (this === other) return true;
    if (this.kind !== other.kind || this.name !== other.name || this.parameters.length !== other.parameters.length) return false;
    return this.parameters.every((parameter, index) => parameter.equals(other.parameters[index]!));
  }

  /** Whether a value of `from` may stand where this is asked for; both without type parameters. */
  isAssignableFrom(from: CelType): boolean {
    if (this === from || this.kind === 'dyn' || this.kind === 'parameter') return true;
    if (this.kind !== from.kind || this.name !== from.name || this.parameters.length !== from.parameters.length) return false;
    return this.parameters.every((parameter, index) => parameter.isAssignableFrom(from.parameters[index]!));
  }

  /** As it is named outside the messages of the checker, which has words of its own for some. */
  get declaredName(): string {
    if (this.parameters.length === 0) return this.name;
    return `${this.name}(${this.parameters.map(parameter => parameter.declaredName).join(', ')})`;
  }

  /** As error messages name it. */
  toString(): string {
    switch (this.kind) {
      case 'duration':
        return 'duration';
      case 'error':
        return '!error!';
      case 'null':
        return 'null';
      case 'timestamp':
        return 'timestamp';
      default:
        if (this.parameters.length === 0) return this.name;
        return `${this.name}(${this.parameters.join(', ')})`;
    }
  }
}

const noParameters: readonly CelType[] = [];

export const boolType = new CelType('bool', 'bool');
export const bytesType = new CelType('bytes', 'bytes');
export const doubleType = new CelType('double', 'double');
export const durationType = new CelType('duration', 'google.protobuf.Duration');
export const dynType = new CelType('dyn', 'dyn');
/** Anything, as dyn is, under the name that messages have for a field that may hold any value. */
export const anyType = new CelType('dyn', 'any');
export const errorType = new CelType('error', 'error');
export const intType = new CelType('int', 'int');
export const nullType = new CelType('null', 'null_type');
export const stringType = new CelType('string', 'string');
export const timestampType = new CelType('timestamp', 'google.protobuf.Timestamp');
export const typeType = new CelType('type', 'type');
export const uintType = new CelType('uint', 'uint');
/** Without parameters: what type() answers. */
export const plainListType = new CelType('list', 'list');
export const plainMapType = new CelType('map', 'map');
export const plainOptionalType = new CelType('opaque', 'optional_type');

/** As types of values written in an expression: of anything. */
export const listOfDynType = new CelType('list', 'list', [dynType]);
export const mapOfDynType = new CelType('map', 'map', [dynType, dynType]);
export const optionalOfDynType = new CelType('opaque', 'optional_type', [dynType]);

export function listType(element: CelType): CelType {
  return new CelType('list', 'list', [element]);
}

export function mapType(key: CelType, value: CelType): CelType {
  return new CelType('map', 'map', [key, value]);
}

export function optionalType(value: CelType): CelType {
  return new CelType('opaque', 'optional_type', [value]);
}

export function typeOfType(type: CelType): CelType {
  return new CelType('type', 'type', [type]);
}

export function typeParameter(name: string): CelType {
  return new CelType('parameter', name);
}

export function opaqueType(name: string, ...parameters: CelType[]): CelType {
  return new CelType('opaque', name, parameters);
}

/** A type with fields, known to a TypeProvider by its name. */
export function objectType(name: string): CelType {
  return new CelType('struct', name);
}

/** `(int, string) -> bool`, as a function's signature stands in error messages. */
export function formatSignature(argumentTypes: readonly CelType[], isMember: boolean): string {
  const types = isMember ? argumentTypes.slice(1) : argumentTypes;
  return `${isMember ? `${argumentTypes[0]}.` : ''}(${types.join(', ')})`;
}
