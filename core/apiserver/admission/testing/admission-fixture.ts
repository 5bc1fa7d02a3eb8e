import type { AdmissionAttributes, AdmissionPlugin } from '../../../contracts/admission.js';
import type { KubeObject } from '../../../machinery/object.js';
import { cloneJson, deepFreeze } from '../../../machinery/object.js';
import { conflict, isStatusError, notFound } from '../../../machinery/status-error.js';
import type { ResourceStores } from '../../registry/resource-definition.js';

type Objects = Readonly<Record<string, readonly object[]>>;

/** Stores over plain objects, by `group/resource`, with what plugins use of the real ones. */
export class FakeStores implements ResourceStores {
  readonly #objects = new Map<string, KubeObject[]>();
  /** Run before a write, which then meets what they changed. */
  readonly beforeUpdate: (() => void)[] = [];
  updates = 0;
  #version = 100;

  constructor(objects: Objects = {}) {
    for (const [resource, list] of Object.entries(objects)) this.#objects.set(resource, list.map(this.#versioned));
  }

  readonly #versioned = (object: object): KubeObject => {
    const copy = cloneJson(object) as KubeObject;
    copy.metadata.resourceVersion = String(++this.#version);
    return deepFreeze(copy);
  };

  find(resource: string, name: string): KubeObject | undefined {
    return this.#objects.get(resource)?.find(object => object.metadata.name === name);
  }

  put(resource: string, object: object): void {
    const list = this.#objects.get(resource) ?? [];
    const next = this.#versioned(object);
    const at = list.findIndex(other => other.metadata.name === next.metadata.name);
    if (at < 0) list.push(next);
    else list[at] = next;
    this.#objects.set(resource, list);
  }

  get<T extends KubeObject>(reference: { group: string; resource: string }): ReturnType<ResourceStores['get']> & never {
    const key = `${reference.group}/${reference.resource}`;
    const list = this.#objects.get(key);
    if (!list) return undefined as never;
    const within = (namespace: string | undefined): KubeObject[] =>
      (this.#objects.get(key) ?? []).filter(({ metadata }) => !namespace || metadata.namespace === namespace);
    const lookup = (namespace: string, name: string): { object: KubeObject } | undefined => {
      const object = within(namespace).find(({ metadata }) => metadata.name === name);
      return object && { object };
    };
    const store = {
      cache: {
        get: lookup,
        *entries(namespace?: string) {
          for (const object of within(namespace)) yield { object, labels: object.metadata.labels ?? {} };
        },
        countIn: (namespace: string) => within(namespace).length,
      },
      get: async (namespace: string, name: string) => {
        const entry = lookup(namespace, name);
        if (!entry) throw notFound({ ...reference, name });
        return entry;
      },
      update: async (call: { name: string }, transform: (old: unknown) => T) => {
        await Promise.resolve();
        this.beforeUpdate.shift()?.();
        const next = transform(undefined);
        const current = this.find(key, call.name);
        if (current?.metadata.resourceVersion !== next.metadata.resourceVersion)
          throw conflict({ ...reference, name: call.name });
        this.updates++;
        this.put(key, next);
      },
    };
    return store as never;
  }
}

/** Attributes of a request, with all that is not given of a plain create by an administrator. */
export function attributesOf(
  given: Partial<AdmissionAttributes> & Pick<AdmissionAttributes, 'resource'>,
): AdmissionAttributes & { readonly warnings: string[] } {
  const warnings: string[] = [];
  return {
    operation: 'CREATE',
    group: '',
    version: 'v1',
    subresource: '',
    kind: '',
    namespace: given.object?.metadata.namespace ?? given.oldObject?.metadata.namespace ?? '',
    name: given.object?.metadata.name ?? given.oldObject?.metadata.name ?? '',
    object: undefined,
    oldObject: undefined,
    caller: { name: 'admin', groups: ['system:masters'] },
    dryRun: false,
    warn: text => void warnings.push(text),
    ...given,
    warnings,
  };
}

/** Both steps, as the store runs them; answers with the refusal's message, or undefined. */
export async function admit(plugin: AdmissionPlugin, attributes: AdmissionAttributes): Promise<string | undefined> {
  if (plugin.handles && !plugin.handles(attributes)) return undefined;
  try {
    await plugin.mutate?.(attributes);
    await plugin.validate?.(attributes);
    return undefined;
  } catch (error) {
    if (isStatusError(error)) return error.message;
    throw error;
  }
}

export function object(kind: string, name: string, more: object = {}, namespace = 'default'): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { name, namespace }, ...more } as KubeObject;
}
