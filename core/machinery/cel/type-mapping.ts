import { CelType, dynType, nullType } from './cel-type.js';

/**
 * What the checker has found out about type parameters, and whether one type may stand for another under it (which finds out
 * more). A try that fails leaves no trace.
 */
export class TypeMapping {
  readonly #types = new Map<string, CelType>();
  /** Names and what they stood for before, to undo a try. */
  readonly #trail: { readonly name: string; readonly before: CelType | undefined }[] = [];
  #freshCount = 0;

  fresh(): CelType {
    return new CelType('parameter', `_var${this.#freshCount++}`);
  }

  isAssignable(left: CelType, right: CelType): boolean {
    return this.#attempt(() => this.#assignable(left, right));
  }

  areAssignable(left: readonly CelType[], right: readonly CelType[]): boolean {
    return this.#attempt(() => this.#assignableAll(left, right));
  }

  #attempt(test: () => boolean): boolean {
    const mark = this.#trail.length;
    const result = test();
    if (!result) {
      while (this.#trail.length > mark) {
        const { name, before } = this.#trail.pop()!;
        if (before) this.#types.set(name, before);
        else this.#types.delete(name);
      }
    }
    this.#trail.length = mark;
    return result;
  }

  #set(name: string, type: CelType): void {
    this.#trail.push({ name, before: this.#types.get(name) });
    this.#types.set(name, type);
  }

  /** With known parameters filled in; unknown ones become dyn on demand. */
  substitute(type: CelType, unknownToDyn: boolean): CelType {
    if (type.kind === 'parameter') {
      const known = this.#types.get(type.name);
      if (known) return this.substitute(known, unknownToDyn);
      return unknownToDyn ? dynType : type;
    }
    if (type.parameters.length === 0) return type;
    let changed = false;
    const parameters = type.parameters.map(parameter => {
      const substituted = this.substitute(parameter, unknownToDyn);
      changed ||= substituted !== parameter;
      return substituted;
    });
    return changed ? new CelType(type.kind, type.name, parameters) : type;
  }

  #assignable(left: CelType, right: CelType): boolean {
    if (right.kind === 'parameter') {
      const { valid, known } = this.#validSubstitution(left, right);
      if (valid) return true;
      if (known) return false;
    }
    if (left.kind === 'parameter') return this.#validSubstitution(right, left).valid;
    if (left.isDynOrError || right.isDynOrError) return true;
    if (left.kind === 'null') return takesNull(right);
    if (right.kind === 'null') return takesNull(left);
    switch (left.kind) {
      case 'type':
        return right.kind === 'type';
      case 'opaque':
      case 'list':
      case 'map':
        return left.kind === right.kind && left.name === right.name && this.#assignableAll(left.parameters, right.parameters);
      default:
        return right.isAssignableFrom(left);
    }
  }

  #assignableAll(left: readonly CelType[], right: readonly CelType[]): boolean {
    return left.length === right.length && left.every((type, index) => this.#assignable(type, right[index]!));
  }

  #validSubstitution(type: CelType, parameter: CelType): { valid: boolean; known: boolean } {
    if (type.equals(parameter)) return { valid: true, known: true };
    const known = this.#types.get(parameter.name);
    if (known) {
      if (type.equals(known)) return { valid: true, known: true };
      if (!this.#assignable(type, known)) return { valid: false, known: true };
      const general = mostGeneral(type, known);
      if (this.#isFreeOf(parameter, general)) this.#set(parameter.name, general);
      return { valid: true, known: true };
    }
    if (!this.#isFreeOf(parameter, type)) return { valid: false, known: false };
    this.#set(parameter.name, type);
    return { valid: true, known: false };
  }

  /** A parameter must not come to stand for something that contains it. */
  #isFreeOf(parameter: CelType, within: CelType): boolean {
    if (parameter.equals(within)) return false;
    if (within.kind === 'parameter') {
      const known = this.#types.get(within.name);
      return !known || this.#isFreeOf(parameter, known);
    }
    return within.parameters.every(part => this.#isFreeOf(parameter, part));
  }
}

function takesNull(type: CelType): boolean {
  switch (type.kind) {
    case 'opaque':
    case 'struct':
    case 'duration':
    case 'timestamp':
      return true;
    default:
      return type.isAssignableFrom(nullType);
  }
}

export function mostGeneral(left: CelType, right: CelType): CelType {
  return isEqualOrLessSpecific(left, right) ? left : right;
}

function isEqualOrLessSpecific(left: CelType, right: CelType): boolean {
  if (left.kind === 'dyn' || left.kind === 'parameter') return true;
  if (right.kind === 'dyn' || right.kind === 'parameter' || left.kind !== right.kind) return false;
  switch (left.kind) {
    case 'opaque':
    case 'list':
    case 'map':
      return (
        left.name === right.name &&
        left.parameters.length === right.parameters.length &&
        left.parameters.every((parameter, index) => isEqualOrLessSpecific(parameter, right.parameters[index]!))
      );
    case 'type':
      return true;
    default:
      return left.equals(right);
  }
}
