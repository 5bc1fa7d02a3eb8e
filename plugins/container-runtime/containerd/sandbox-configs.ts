import { CodedError } from '../../../core/plugin-api/index.js';
import { runtimeError } from './runtime-errors.js';
import type { GrpcChannel } from './wire/grpc-channel.js';
import { tables } from './wire/generated/tables.js';
import type { PodSandboxConfig } from './wire/generated/tables.js';

/**
 * With what sandboxes were made: CRI wants it again for each container. After a start it is read back from containerd, which keeps it
 * with the sandbox.
 */
export class SandboxConfigs {
  readonly #channel: GrpcChannel;
  readonly #known = new Map<string, PodSandboxConfig>();

  constructor(channel: GrpcChannel) {
    this.#channel = channel;
  }

  note(sandboxId: string, config: PodSandboxConfig): void {
    this.#known.set(sandboxId, config);
  }

  forget(sandboxId: string): void {
    this.#known.delete(sandboxId);
  }

  /** Throws `RUNTIME_NOT_FOUND`. */
  async get(sandboxId: string): Promise<PodSandboxConfig> {
    const known = this.#known.get(sandboxId);
    if (known) return known;
    try {
      const { info = {} } = await this.#channel.call('PodSandboxStatus', { podSandboxId: sandboxId, verbose: true });
      const detail: unknown = JSON.parse(info['info'] ?? '{}');
      const { config } = detail as { readonly config?: unknown };
      if (!isObject(config)) throw new CodedError('RUNTIME_FAILED', `containerd tells no configuration of sandbox ${sandboxId}`);
      const read = fromGoJson('runtime.v1.PodSandboxConfig', config) as PodSandboxConfig;
      this.#known.set(sandboxId, read);
      return read;
    } catch (error) {
      throw runtimeError(error, 'sandbox');
    }
  }
}

/** A message as Go's encoding/json prints it: names of the .proto file, enums by number. */
export function fromGoJson(typeName: string, value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const field of tables[typeName] ?? []) {
    const given = value[field.name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)];
    if (given === undefined || given === null) continue;
    const list = field.type.startsWith('[]');
    const element = list ? field.type.slice(2) : field.type;
    const one = (item: unknown): unknown => {
      if (field.enum) return field.enum[Number(item)];
      return element.includes('.') && isObject(item) ? fromGoJson(element, item) : item;
    };
    result[field.name] = list && Array.isArray(given) ? given.map(one) : one(given);
  }
  return result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
