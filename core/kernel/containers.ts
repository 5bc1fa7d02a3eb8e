import 'reflect-metadata';
import { Container } from 'inversify';
import type { ContainerModule } from 'inversify';
import { CodedError, errorCode, errorText } from '../base/errors.js';
import { Part } from '../contracts/part.js';
import type { PartPhase } from '../contracts/part.js';
import { contractToken } from '../plugin-api/slots.js';
import type { PartModule } from '../plugin-api/descriptor.js';
import { joinErrors, kernelError } from './kernel-errors.js';
import type { PlannedPart } from './wiring.js';

/** A value that the kernel binds for all parts (or, in `PartContainers.add`, for one). */
export interface Binding {
  readonly token: symbol;
  readonly value: unknown;
}

/**
 * The root container and one child for each part. A part's bindings are private to its child; only its contract tokens are
 * visible to the others, through the root. Everything is a singleton unless a module says otherwise.
 */
export class PartContainers {
  readonly #root = new Container({ defaultScope: 'Singleton' });
  readonly #children: Container[] = [];
  readonly #resolving: string[] = [];

  constructor(bindings: readonly Binding[]) {
    for (const { token, value } of bindings) this.#root.bind(token).toConstantValue(value);
  }

  /** Loads a part's module into a container of its own. Throws `CONTRACT_NOT_BOUND` or `PART_NOT_BOUND`. */
  add(planned: PlannedPart, module: ContainerModule, own: readonly Binding[]): () => Part {
    const { id, provides = [] } = planned.descriptor;
    const child = new Container({ defaultScope: 'Singleton', parent: this.#root });
    this.#children.push(child);
    for (const { token, value } of own) child.bind(token).toConstantValue(value);
    child.load(module);
    if (!child.isCurrentBound(Part)) {
      throw kernelError('PART_NOT_BOUND', `the module of plugin ${id} (${planned.origin}) does not bind Part (k3s/part@1)`);
    }
    const slotToken = contractToken(planned.slot);
    const bound = new Set(provides);
    if (planned.slot.bindsContract || child.isCurrentBound(slotToken)) bound.add(slotToken);
    for (const token of bound) {
      if (!child.isCurrentBound(token)) {
        const text = `the module of plugin ${id} (${planned.origin}) does not bind ${token.description}, the contract it promises`;
        throw kernelError('CONTRACT_NOT_BOUND', text);
      }
      this.#root
        .bind(token)
        .toDynamicValue(() => this.#guarded(id, token, () => child.get(token)))
        .inTransientScope();
    }
    return () => this.#resolvePart(planned, child);
  }

  get<T>(token: symbol): T {
    return this.#root.get<T>(token);
  }

  getAll<T>(token: symbol): T[] {
    return this.#root.isBound(token) ? this.#root.getAll<T>(token) : [];
  }

  /** Last step of a kernel's end: youngest part first, the root at the end. */
  async unbindAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const container of [this.#root, ...this.#children].reverse()) {
      try {
        await container.unbindAllAsync();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw joinErrors(errors, `${errors.length} containers did not unbind`);
  }

  #resolvePart(planned: PlannedPart, child: Container): Part {
    const { id } = planned.descriptor;
    try {
      const part: unknown = this.#guarded(id, Part, () => child.get(Part));
      assertPart(planned, part);
      return part;
    } catch (error) {
      if (['DEPENDENCY_CYCLE', 'PART_NOT_BOUND'].includes(errorCode(error) ?? '')) throw error;
      // The container explains itself in a tree of many lines; the first says which token is missing.
      const text = `plugin ${id} (${planned.origin}) cannot be built: ${errorText(error).split('\n', 1)[0]}`;
      if (!isOfContainer(error)) throw kernelError('PLUGIN_LOAD_FAILED', text);
      throw kernelError('CONTRACT_NOT_BOUND', text, {
        cause: error,
        mend: 'what it injects must be provided by a slot in its "requires"',
      });
    }
  }

  /** Containers of different parts cannot see that they build each other in a circle; this can. */
  #guarded<T>(id: string, token: symbol, resolve: () => T): T {
    const step = `${id} (${token.description})`;
    const at = this.#resolving.indexOf(step);
    if (at >= 0) {
      const circle = [...this.#resolving.slice(at), step].join(' -> ');
      throw kernelError('DEPENDENCY_CYCLE', `plugins inject each other in a circle: ${circle}`);
    }
    this.#resolving.push(step);
    try {
      return resolve();
    } finally {
      this.#resolving.pop();
    }
  }
}

/** The container explains what it lacks by errors of its own; anything else was thrown by what it built. */
function isOfContainer(error: unknown): boolean {
  return error instanceof Error && Symbol.for('@inversifyjs/core/InversifyCoreError') in error;
}

const phases: readonly PartPhase[] = ['init', 'start', 'ready', 'drain', 'stop'];

function assertPart({ descriptor: { id }, origin }: PlannedPart, part: unknown): asserts part is Part {
  const what = `the module of plugin ${id} (${origin}) binds Part to`;
  if (typeof part !== 'object' || part === null) {
    throw kernelError('PART_NOT_BOUND', `${what} ${part === null ? 'null' : `a ${typeof part}`}, which is no object with phases`);
  }
  for (const phase of phases) {
    const method = (part as Record<string, unknown>)[phase];
    if (method !== undefined && typeof method !== 'function') {
      throw kernelError('PART_NOT_BOUND', `${what} an object whose "${phase}" is a ${typeof method}, not a method`);
    }
  }
}

/** Imports a part's module. Throws `PLUGIN_LOAD_FAILED`; names the package to install when that is what is missing. */
export async function loadModule({ descriptor, origin }: PlannedPart): Promise<ContainerModule> {
  let loaded: PartModule | undefined;
  try {
    loaded = await descriptor.load();
  } catch (error) {
    const missing = errorCode(error) === 'ERR_MODULE_NOT_FOUND' ? /package '([^']+)'/.exec(errorText(error))?.[1] : undefined;
    const why = missing === undefined ? errorText(error) : `the package ${missing} is not installed`;
    throw kernelError('PLUGIN_LOAD_FAILED', `plugin ${descriptor.id} (${origin}) cannot be loaded: ${why}`, {
      cause: error,
      mend: missing === undefined ? undefined : `npm install ${missing}`,
    });
  }
  const exported = loaded?.module ?? loaded?.default;
  const module = typeof exported === 'function' ? exported() : exported;
  if (typeof module?.load !== 'function') {
    const text = `plugin ${descriptor.id} (${origin}): what it loads has no ContainerModule as "module" or "default"`;
    throw new CodedError('PLUGIN_LOAD_FAILED', text);
  }
  return module;
}
