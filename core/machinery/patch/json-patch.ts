import { jsonText } from '../codec/json-text.js';
import { isJsonObject, jsonEqual, setOwn } from '../object.js';
import { badRequest, requestEntityTooLarge } from '../status-error.js';
import { goJsonKind, patchNotApplicable } from './patch-errors.js';

export const maximumJsonPatchOperations = 10_000;
/** How many bytes all `copy` operations of one patch may add. Source: JSONPatchMaxCopyBytes of kube-apiserver. */
export const maximumJsonPatchCopyBytes = 3 * 1024 * 1024;

type Container = Record<string, unknown> | unknown[];

/**
 * Applies an RFC 6902 patch and returns the new document; `document` and `patch` stay as they are and what did not change is
 * shared. Follows evanphx/json-patch v4 as kube-apiserver runs it: negative indices count from the end, `replace` and `copy`
 * of an absent member work on null, `test` of an absent member passes for null.
 *
 * Errors: 400 when `patch` is no list of operations, 413 for too many of them, 422 when one does not apply.
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  const operations = decodeJsonPatch(patch);
  const run = new JsonPatchRun(document);
  for (const operation of operations) run.apply(operation);
  return run.root;
}

/** The operations of a patch body, checked for shape and number. */
export function decodeJsonPatch(patch: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (patch === null) return [];
  if (!Array.isArray(patch)) throw badPatch(patch, 'Go value of type []handlers.jsonPatchOp');
  const operations = (patch as unknown[]).map(operation => {
    if (operation === null) return {};
    if (!isJsonObject(operation)) throw badPatch(operation, 'Go value of type handlers.jsonPatchOp');
    for (const name of ['op', 'path', 'from']) {
      const value = operation[name] ?? '';
      if (typeof value !== 'string') throw badPatch(value, `Go struct field jsonPatchOp.${name} of type string`);
    }
    return operation;
  });
  if (patch.length > maximumJsonPatchOperations) {
    throw requestEntityTooLarge(
      `The allowed maximum operations in a JSON patch is ${maximumJsonPatchOperations}, got ${patch.length}`,
    );
  }
  return operations;
}

function badPatch(value: unknown, target: string): Error {
  return badRequest(`error decoding patch: json: cannot unmarshal ${goJsonKind(value)} into ${target}`);
}

const missing = 'missing value';

class JsonPatchRun {
  root: unknown;
  /** Containers made by this run: only these are written to. */
  readonly #own = new WeakSet<object>();
  #copiedBytes = 0;

  constructor(document: unknown) {
    this.root = document;
  }

  apply(operation: Readonly<Record<string, unknown>>): void {
    const kind = typeof operation['op'] === 'string' ? operation['op'] : 'unknown';
    switch (kind) {
      case 'add':
        return this.#addOperation(operation);
      case 'remove':
        return this.#removeOperation(operation);
      case 'replace':
        return this.#replaceOperation(operation);
      case 'move':
        return this.#moveOperation(operation);
      case 'test':
        return this.#testOperation(operation);
      case 'copy':
        return this.#copyOperation(operation);
      default:
        throw patchNotApplicable(`Unexpected kind: ${kind}`);
    }
  }

  #addOperation(operation: Readonly<Record<string, unknown>>): void {
    const path = pointer(operation, 'path', 'add');
    const target = this.#find(path) ?? fail(`add operation does not apply: doc is missing path: "${path}": ${missing}`);
    within(`error in add for path: '${path}'`, () => addTo(target.container, target.key, valueOf(operation)));
  }

  #removeOperation(operation: Readonly<Record<string, unknown>>): void {
    const path = pointer(operation, 'path', 'remove');
    const target = this.#find(path) ?? fail(`remove operation does not apply: doc is missing path: "${path}": ${missing}`);
    within(`error in remove for path: '${path}'`, () => removeFrom(target.container, target.key));
  }

  #replaceOperation(operation: Readonly<Record<string, unknown>>): void {
    const path = pointer(operation, 'path', 'replace');
    const value = valueOf(operation);
    if (path === '') {
      if (typeof value !== 'object' || value === null) fail('replace operation value must be object or array');
      this.root = value;
      return;
    }
    const { container, key } =
      this.#find(path) ?? fail(`replace operation does not apply: doc is missing path: ${path}: ${missing}`);
    if (Array.isArray(container)) {
      const index = indexOf(container, key);
      if (index === undefined) fail(`replace operation does not apply: doc is missing key: ${path}: ${missing}`);
      container[index] = value;
    } else {
      setOwn(container, key, value);
    }
  }

  #moveOperation(operation: Readonly<Record<string, unknown>>): void {
    const from = pointer(operation, 'from', 'move');
    const source = this.#find(from) ?? fail(`move operation does not apply: doc is missing from path: ${from}: ${missing}`);
    const value = within(`error in move for path: '${source.key}'`, () => {
      const moved = getFrom(source.container, source.key);
      removeFrom(source.container, source.key);
      return moved;
    });
    const path = pointer(operation, 'path', 'move');
    const target =
      this.#find(path) ?? fail(`move operation does not apply: doc is missing destination path: ${path}: ${missing}`);
    within(`error in move for path: '${path}'`, () => addTo(target.container, target.key, value ?? null));
  }

  #testOperation(operation: Readonly<Record<string, unknown>>): void {
    const path = pointer(operation, 'path', 'test');
    let actual: unknown = this.root;
    if (path !== '') {
      const target = this.#find(path, false) ?? fail(`test operation does not apply: is missing path: ${path}: ${missing}`);
      actual = within(`error in test for path: '${path}'`, () => getFrom(target.container, target.key)) ?? null;
    }
    if (!jsonEqual(actual, valueOf(operation))) fail(`testing value ${path} failed: test failed`);
  }

  #copyOperation(operation: Readonly<Record<string, unknown>>): void {
    const from = pointer(operation, 'from', 'copy');
    const source =
      this.#find(from, false) ?? fail(`copy operation does not apply: doc is missing from path: ${from}: ${missing}`);
    const value = within(`error in copy for from: '${from}'`, () => getFrom(source.container, source.key));
    const path = pointer(operation, 'path', 'copy');
    if (!this.#find(path, false)) fail(`copy operation does not apply: doc is missing destination path: ${path}: ${missing}`);
    if (value !== undefined && value !== null) {
      this.#copiedBytes += Buffer.byteLength(jsonText(value));
      if (this.#copiedBytes > maximumJsonPatchCopyBytes) {
        fail(
          `Unable to complete the copy, the accumulated size increase of copy is ${this.#copiedBytes}, ` +
            `exceeding the limit ${maximumJsonPatchCopyBytes}`,
        );
      }
      this.#shareDeep(value);
    }
    const target =
      this.#find(path) ?? fail(`copy operation does not apply: doc is missing destination path: ${path}: ${missing}`);
    within('error while adding value during copy', () => addTo(target.container, target.key, value ?? null));
  }

  /** What two places hold from now on belongs to nobody, so that a write to one place does not show in the other. */
  #shareDeep(value: unknown): void {
    if (typeof value !== 'object' || value === null || !this.#own.has(value)) return;
    this.#own.delete(value);
    for (const child of Object.values(value)) this.#shareDeep(child);
  }

  /** The container that a pointer's last token is a key of; undefined where the way there is broken. */
  #find(path: string, forWriting = true): { container: Container; key: string } | undefined {
    const tokens = path.split('/');
    if (tokens.length < 2) return undefined;
    if (!isContainer(this.root)) return undefined;
    let container: Container = forWriting ? (this.root = this.#writable(this.root)) : this.root;
    for (let i = 1; i < tokens.length - 1; i++) {
      const token = decodeToken(tokens[i]!);
      let next: unknown;
      if (Array.isArray(container)) {
        const index = indexOf(container, token);
        if (index === undefined) return undefined;
        next = container[index];
        if (isContainer(next) && forWriting) container[index] = next = this.#writable(next);
      } else {
        next = Object.hasOwn(container, token) ? container[token] : undefined;
        if (isContainer(next) && forWriting) setOwn(container, token, (next = this.#writable(next)));
      }
      if (!isContainer(next)) return undefined;
      container = next;
    }
    return { container, key: decodeToken(tokens.at(-1)!) };
  }

  #writable(container: Container): Container {
    if (this.#own.has(container)) return container;
    const copy = Array.isArray(container) ? [...container] : { ...container };
    this.#own.add(copy);
    return copy;
  }
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

function fail(text: string): never {
  throw patchNotApplicable(text);
}

class OperationFault extends Error {}

/** Runs one step; a fault of it is told with `prefix` in front. */
function within<T>(prefix: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof OperationFault) fail(`${prefix}: ${error.message}`);
    throw error;
  }
}

function pointer(operation: Readonly<Record<string, unknown>>, member: 'path' | 'from', kind: string): string {
  const value = operation[member];
  if (typeof value !== 'string') {
    const what = member === 'from' ? 'operation, missing from field: ' : isLaconic(kind) ? '' : 'operation missing path field: ';
    fail(`${kind} operation failed to decode ${member}: ${what}${missing}`);
  }
  return value;
}

function isLaconic(kind: string): boolean {
  return kind === 'add' || kind === 'remove' || kind === 'copy';
}

function valueOf(operation: Readonly<Record<string, unknown>>): unknown {
  return Object.hasOwn(operation, 'value') ? operation['value'] : null;
}

function decodeToken(token: string): string {
  return token.includes('~') ? token.replaceAll('~1', '/').replaceAll('~0', '~') : token;
}

/** The place in the list that a token means, undefined when it is no number or lies outside. */
function indexOf(list: readonly unknown[], token: string, length = list.length): number | undefined {
  if (!/^[+-]?\d+$/.test(token)) return undefined;
  const index = Number(token);
  const place = index < 0 ? index + length : index;
  return place >= 0 && place < length ? place : undefined;
}

function listFault(token: string): OperationFault {
  if (!/^[+-]?\d+$/.test(token)) return new OperationFault(`strconv.Atoi: parsing "${token}": invalid syntax`);
  return new OperationFault(`Unable to access invalid index: ${Number(token)}: invalid index referenced`);
}

function getFrom(container: Container, key: string): unknown {
  if (!Array.isArray(container)) return Object.hasOwn(container, key) ? container[key] : undefined;
  const index = indexOf(container, key);
  if (index === undefined) throw listFault(key);
  return container[index];
}

function addTo(container: Container, key: string, value: unknown): void {
  if (!Array.isArray(container)) {
    setOwn(container, key, value);
    return;
  }
  if (key === '-') {
    container.push(value);
    return;
  }
  const index = indexOf(container, key, container.length + 1);
  if (index === undefined) {
    const fault = listFault(key);
    throw Number.isNaN(Number(key))
      ? new OperationFault(`value was not a proper array index: '${key}': ${fault.message}`)
      : fault;
  }
  container.splice(index, 0, value);
}

function removeFrom(container: Container, key: string): void {
  if (Array.isArray(container)) {
    const index = indexOf(container, key);
    if (index === undefined) throw listFault(key);
    container.splice(index, 1);
  } else {
    if (!Object.hasOwn(container, key)) throw new OperationFault(`Unable to remove nonexistent key: ${key}: ${missing}`);
    delete container[key];
  }
}
