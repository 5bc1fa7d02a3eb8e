import { errorText } from '../base/errors.js';
import type { ChildMessage, EntryList, LogLevelName, ModuleSpec } from './protocol.js';
import type { StateFiles } from './state-files.js';

/** What a module's `createModule` gives; the same shape as `DataplaneModule` of the contracts. */
export interface HostedModule {
  apply(change: { readonly set: ReadonlyMap<string, unknown>; readonly deleted: readonly string[] }): void | Promise<void>;
  drain(graceMs: number): Promise<void>;
}

export interface HostedModuleContext {
  report(report: unknown): void;
  log(level: LogLevelName, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface ModuleHostOptions {
  /** Absent: nothing is kept over a restart. */
  readonly stateFiles?: StateFiles;
  importModule(url: string): Promise<{ createModule?: (context: HostedModuleContext) => HostedModule }>;
  /** To whoever publishes; lost when nobody is connected. */
  send(message: ChildMessage): void;
}

interface Hosted {
  readonly spec: ModuleSpec;
  /** The published value of each key, as JSON: what a snapshot is compared with, and what is kept. */
  readonly entries: Map<string, string>;
  module: HostedModule | undefined;
  report: unknown;
  /** Everything that was asked so far is done. */
  work: Promise<void>;
}

const removedModuleGraceMs = 5000;

/** The modules of one process and their state. Knows nothing of sockets and processes: in-process use has neither. */
export class ModuleHost {
  readonly #options: ModuleHostOptions;
  readonly #hosted = new Map<string, Hosted>();

  constructor(options: ModuleHostOptions) {
    this.#options = options;
  }

  get specs(): ModuleSpec[] {
    return Array.from(this.#hosted.values(), hosted => hosted.spec);
  }

  /** Starts modules that are new here, from the state that was kept, and ends those that are not enabled any more. */
  setModules(specs: readonly ModuleSpec[]): void {
    const names = new Set(specs.map(spec => spec.name));
    for (const name of [...this.#hosted.keys()]) if (!names.has(name)) void this.#remove(name);
    for (const spec of specs) {
      if (this.#hosted.has(spec.name)) continue;
      const hosted: Hosted = { spec, entries: new Map(), module: undefined, report: undefined, work: Promise.resolve() };
      this.#hosted.set(spec.name, hosted);
      this.#enqueue(hosted, () => this.#restore(hosted));
    }
    this.#options.stateFiles?.keepOnly(names);
  }

  /** Tells somebody new what modules reported last. */
  repeatReports(): void {
    for (const { spec, report } of this.#hosted.values()) {
      if (report !== undefined) this.#options.send({ type: 'report', channel: spec.name, report });
    }
  }

  snapshot(channel: string, generation: number, entries: EntryList): void {
    this.#update(channel, generation, hosted => {
      const fresh = new Map(entries.map(([key, value]) => [key, value]));
      const deleted = Array.from(hosted.entries.keys()).filter(key => !fresh.has(key));
      return { set: fresh, deleted };
    });
  }

  change(channel: string, generation: number, set: EntryList, deleted: readonly string[]): void {
    this.#update(channel, generation, () => ({ set: new Map(set), deleted }));
  }

  async drain(graceMs: number): Promise<void> {
    const hosted = [...this.#hosted.values()];
    await Promise.all(
      hosted.map(async one => {
        await one.work;
        await one.module?.drain(graceMs);
      }),
    );
    await this.#options.stateFiles?.flush();
  }

  #update(
    channel: string,
    generation: number,
    changeOf: (hosted: Hosted) => { set: Map<string, unknown>; deleted: readonly string[] },
  ): void {
    const hosted = this.#hosted.get(channel);
    if (!hosted) {
      this.#options.send({ type: 'ack', channel, generation, fault: `no module ${channel} is enabled here` });
      return;
    }
    this.#enqueue(hosted, async () => {
      const { set, deleted } = changeOf(hosted);
      for (const [key, value] of set) {
        const text = JSON.stringify(value);
        if (hosted.entries.get(key) === text) set.delete(key);
        else hosted.entries.set(key, text);
      }
      const gone = deleted.filter(key => hosted.entries.delete(key));
      let fault: string | undefined;
      if (set.size > 0 || gone.length > 0) {
        this.#options.stateFiles?.changed(channel, hosted.entries);
        fault = await this.#apply(hosted, set, gone);
      } else if (!hosted.module) fault = 'the module could not be loaded';
      this.#options.send({ type: 'ack', channel, generation, ...(fault !== undefined && { fault }) });
    });
  }

  async #restore(hosted: Hosted): Promise<void> {
    const { name, url } = hosted.spec;
    const context: HostedModuleContext = {
      report: report => {
        hosted.report = report;
        this.#options.send({ type: 'report', channel: name, report });
      },
      log: (level, message, fields) =>
        this.#options.send({ type: 'log', channel: name, level, message, ...(fields && { fields }) }),
    };
    try {
      const { createModule } = await this.#options.importModule(url);
      if (typeof createModule !== 'function') throw new Error(`${url} does not export createModule`);
      hosted.module = createModule(context);
    } catch (error) {
      context.log('error', `the dataplane module of ${name} cannot be loaded: ${errorText(error)}`);
      return;
    }
    const kept = await this.#options.stateFiles?.read(name);
    if (!kept || kept.size === 0) return;
    for (const [key, value] of kept) hosted.entries.set(key, JSON.stringify(value));
    await this.#apply(hosted, kept, []);
  }

  async #apply(hosted: Hosted, set: ReadonlyMap<string, unknown>, deleted: readonly string[]): Promise<string | undefined> {
    if (!hosted.module) return 'the module could not be loaded';
    try {
      await hosted.module.apply({ set, deleted });
      return undefined;
    } catch (error) {
      return errorText(error);
    }
  }

  async #remove(name: string): Promise<void> {
    const hosted = this.#hosted.get(name)!;
    this.#hosted.delete(name);
    await hosted.work;
    try {
      await hosted.module?.drain(removedModuleGraceMs);
    } catch (error) {
      const message = `the dataplane module of ${name} did not end cleanly: ${errorText(error)}`;
      this.#options.send({ type: 'log', channel: name, level: 'warn', message });
    }
  }

  #enqueue(hosted: Hosted, work: () => Promise<void>): void {
    hosted.work = hosted.work.then(work).catch((error: unknown) => {
      const message = `the dataplane failed at ${hosted.spec.name}: ${errorText(error)}`;
      this.#options.send({ type: 'log', channel: hosted.spec.name, level: 'error', message });
    });
  }
}
