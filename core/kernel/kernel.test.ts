import { describe, expect, it } from '@jest/globals';
import { ContainerModule } from 'inversify';
import { deferred } from '../base/deferred.js';
import { CodedError, errorText } from '../base/errors.js';
import { FakeClock } from '../base/fake-clock.js';
import { silentLogger } from '../base/logger.js';
import { Clock } from '../contracts/clock.js';
import { Logger } from '../contracts/logger.js';
import { Part, PartReporter } from '../contracts/part.js';
import { PluginOptions } from '../contracts/plugin-options.js';
import { fakePart, loggingPart, planOf } from './fake-parts.js';
import { Kernel } from './kernel.js';
import type { CatalogueEntry } from './wiring.js';

interface TestKernel {
  readonly kernel: Kernel;
  readonly clock: FakeClock;
  readonly states: string[];
}

function kernelOf(...catalogue: CatalogueEntry[]): TestKernel {
  const clock = new FakeClock();
  const kernel = new Kernel({ plan: planOf(...catalogue), logger: silentLogger, clock });
  const states: string[] = [];
  kernel.onStatus(status => states.push(`${status.id} ${status.state}`));
  return { kernel, clock, states };
}

function withModule(entry: CatalogueEntry, module: ContainerModule): CatalogueEntry {
  return { ...entry, descriptor: { ...entry.descriptor, load: async () => ({ module }) } };
}

const api = { requires: ['store'] };
const loop = { requires: ['api'] };
const stuck = (): Promise<void> => new Promise(() => undefined);

async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string; errors?: Error[] }> {
  return promise.then(
    () => {
      throw new Error('did not reject');
    },
    (error: unknown) => error as Error,
  );
}

describe('kernel lifecycle', () => {
  it('initializes all, starts in order of requires, stops in reverse', async () => {
    const log: string[] = [];
    const { kernel, states } = kernelOf(
      fakePart('loop', 'loops', loggingPart('loop', log), loop),
      fakePart('api', 'api', loggingPart('api', log), api),
      fakePart('store', 'store', loggingPart('store', log)),
    );
    await kernel.start();
    expect(log).toEqual([
      ...['store.init', 'api.init', 'loop.init'],
      ...['store.start', 'store.ready', 'api.start', 'api.ready', 'loop.start', 'loop.ready'],
    ]);
    expect(kernel.status().map(status => status.state)).toEqual(['ready', 'ready', 'ready']);
    log.length = 0;
    await kernel.stop();
    expect(log).toEqual(['store.drain', 'api.drain', 'loop.drain', 'loop.stop', 'api.stop', 'store.stop']);
    expect(states.slice(-1)).toEqual(['store stopped']);
    await expect(kernel.finished).resolves.toBeUndefined();
    expect(kernel.stop()).toBe(kernel.stop());
  });

  it('starts independent parts side by side and measures each', async () => {
    const gate = deferred();
    const { kernel, clock } = kernelOf(
      fakePart('store', 'store', { start: () => gate.promise }),
      fakePart('loop', 'loops', { start: () => clock.advance(7) }),
    );
    const started = kernel.start();
    while (kernel.status()[1]?.state !== 'ready') await clock.advance(1);
    gate.resolve();
    await started;
    const [store, other] = kernel.status();
    expect(store!.readyAfterMs).toBeGreaterThanOrEqual(other!.readyAfterMs!);
    expect(other!.tookMs).toBeGreaterThanOrEqual(7);
    await kernel.stop();
  });

  it('stops a part whose start failed half-way, and those before it, and keeps the cause', async () => {
    const log: string[] = [];
    const cause = new Error('disk on fire');
    const failing: Part = { start: () => Promise.reject(cause) };
    const { kernel } = kernelOf(
      fakePart('store', 'store', loggingPart('store', log)),
      fakePart('api', 'api', loggingPart('api', log, failing), api),
      fakePart('loop', 'loops', loggingPart('loop', log), loop),
    );
    const error = await rejection(kernel.start());
    expect(error).toMatchObject({ code: 'PART_FAILED', partId: 'api', phase: 'start', cause });
    expect(errorText(error)).toBe('api failed to start: disk on fire');
    expect(log.slice(log.indexOf('api.start'))).toEqual(['api.start', 'store.drain', 'loop.stop', 'api.stop', 'store.stop']);
    expect(kernel.status().map(status => status.state)).toEqual(['stopped', 'failed', 'stopped']);
    await expect(kernel.finished).rejects.toBe(error);
  });

  it('joins many errors', async () => {
    const { kernel } = kernelOf(
      fakePart('store', 'store', { stop: () => Promise.reject(new Error('still open')) }),
      fakePart('api', 'api', { start: () => Promise.reject(new Error('port taken')) }, api),
    );
    const error = await rejection(kernel.start());
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.errors!.map(errorText)).toEqual(['api failed to start: port taken', 'store failed to stop: still open']);
  });

  it('gives each phase a deadline with a name', async () => {
    const entry = fakePart('store', 'store', { start: stuck }, { deadlinesMs: { start: 500 } });
    const { kernel, clock } = kernelOf(entry);
    const failed = rejection(kernel.start());
    await clock.advance(0);
    await clock.advance(500);
    expect(kernel.status()[0]!.state).toBe('starting');
    await clock.advance(1000);
    expect(errorText(await failed)).toContain('no answer from store.start within 500 ms');
    expect(clock.pendingTimers).toBe(0);
  });

  it('tells a phase by its signal that the deadline passed', async () => {
    let reason: unknown;
    const start = (signal: AbortSignal): Promise<void> =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          reason = signal.reason;
          reject(new Error('interrupted'));
        }),
      );
    const { kernel, clock } = kernelOf(fakePart('store', 'store', { start }, { deadlinesMs: { start: 500 } }));
    const failed = rejection(kernel.start());
    await clock.advance(0);
    await clock.advance(500);
    expect(errorText(await failed)).toMatch(/no answer from store.start within 500 ms.*interrupted/);
    expect(reason).toMatchObject({ code: 'PART_DEADLINE' });
  });

  it('goes on with stopping when a part does not stop', async () => {
    const log: string[] = [];
    const { kernel, clock } = kernelOf(
      fakePart('store', 'store', loggingPart('store', log)),
      fakePart('api', 'api', { stop: stuck }, { ...api, deadlinesMs: { stop: 100 } }),
    );
    await kernel.start();
    const stopped = rejection(kernel.stop());
    await clock.advance(0);
    await clock.advance(1100);
    expect(errorText(await stopped)).toContain('api failed to stop: no answer from api.stop');
    expect(log.at(-1)).toBe('store.stop');
    expect(kernel.state).toBe('stopped');
  });

  it('can be stopped in the middle of a start', async () => {
    const log: string[] = [];
    const start = (signal: AbortSignal): Promise<void> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    const { kernel, clock } = kernelOf(
      fakePart('store', 'store', loggingPart('store', log)),
      fakePart('api', 'api', loggingPart('api', log, { start }), api),
    );
    const started = rejection(kernel.start());
    while (!log.includes('api.start')) await clock.advance(1);
    await kernel.stop();
    expect(await started).toMatchObject({ code: 'KERNEL_STOPPING' });
    expect(log.slice(-2)).toEqual(['api.stop', 'store.stop']);
    await expect(kernel.finished).resolves.toBeUndefined();
    expect(await rejection(kernel.start())).toMatchObject({ code: 'KERNEL_STATE' });
  });
});

describe('failing parts', () => {
  it('restarts a part that is not vital with back-off, and starts what waited for it', async () => {
    let tries = 0;
    const flaky: Part = {
      start() {
        if (++tries < 3) throw new Error(`try ${tries}`);
      },
    };
    const { kernel, clock, states } = kernelOf(
      fakePart('store', 'store'),
      fakePart('flaky', 'loops', flaky, { provides: [] }),
      fakePart('net', 'loops', {}, { after: ['loops'] }),
    );
    await kernel.start();
    expect(kernel.state).toBe('running');
    expect(kernel.status().map(({ id, state }) => `${id} ${state}`)).toEqual(['store ready', 'flaky restarting', 'net waiting']);
    expect(errorText(kernel.status()[2]!.error)).toContain('waits for flaky: flaky failed to start: try 1');
    await clock.advance(1100);
    expect(tries).toBe(2);
    await clock.advance(1100);
    expect(tries).toBe(2);
    await clock.advance(1100);
    expect(tries).toBe(3);
    expect(kernel.status().map(status => status.state)).toEqual(['ready', 'ready', 'ready']);
    expect(kernel.status()[1]).toMatchObject({ restarts: 2, error: undefined });
    expect(states.filter(line => line === 'flaky failed')).toHaveLength(2);
    await kernel.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('restarts a running part that reports its failure, after stopping it', async () => {
    const log: string[] = [];
    let reporter: PartReporter | undefined;
    const module = new ContainerModule(({ bind }) => {
      bind(Part).toDynamicValue(context => {
        reporter = context.get<PartReporter>(PartReporter);
        return loggingPart('loop', log);
      });
    });
    const { kernel, clock } = kernelOf(fakePart('store', 'store'), withModule(fakePart('loop', 'loops'), module));
    await kernel.start();
    log.length = 0;
    reporter!.failed(new Error('lost it'));
    reporter!.failed(new Error('again'));
    await clock.advance(0);
    expect(log).toEqual(['loop.stop']);
    expect(errorText(kernel.status()[1]!.error)).toBe('loop failed: lost it');
    await clock.advance(1100);
    expect(log).toEqual(['loop.stop', 'loop.init', 'loop.start', 'loop.ready']);
    expect(kernel.state).toBe('running');
    await kernel.stop();
  });

  it('ends when a vital part fails while running', async () => {
    const log: string[] = [];
    let reporter: PartReporter | undefined;
    const module = new ContainerModule(({ bind }) => {
      bind(Part).toDynamicValue(context => {
        reporter = context.get<PartReporter>(PartReporter);
        return {};
      });
    });
    const { kernel } = kernelOf(
      withModule(fakePart('store', 'store'), module),
      fakePart('api', 'api', loggingPart('api', log), api),
    );
    await kernel.start();
    reporter!.failed(new Error('corrupt'));
    expect(errorText(await rejection(kernel.finished))).toBe('store failed: corrupt');
    expect(log.at(-1)).toBe('api.stop');
    expect(kernel.state).toBe('stopped');
  });

  it('fails at init before anything starts', async () => {
    const log: string[] = [];
    const { kernel } = kernelOf(
      fakePart('store', 'store', loggingPart('store', log)),
      fakePart('api', 'api', { init: () => Promise.reject(new Error('port in use')) }, api),
    );
    expect(errorText(await rejection(kernel.start()))).toBe('api failed to init: port in use');
    expect(log).toEqual(['store.init', 'store.stop']);
  });

  it('starts nothing when a part that is not vital refuses at init', async () => {
    const log: string[] = [];
    const refuse = { init: () => Promise.reject(new CodedError('PROGRAM_MISSING', 'no such program')) };
    const { kernel } = kernelOf(fakePart('store', 'store', loggingPart('store', log)), fakePart('loop', 'loops', refuse));
    expect(errorText(await rejection(kernel.start()))).toBe('loop failed to init: no such program');
    expect(log).toEqual(['store.init', 'store.stop']);
    expect(errorText(await rejection(kernel.finished))).toBe('loop failed to init: no such program');
  });
});

describe('a part that is not vital', () => {
  const boom = (): never => {
    throw new Error('boom');
  };
  const store = fakePart('store', 'store');

  it.each<[string, Part, string]>([
    ['throws in init', { init: boom }, 'loop failed to init: boom'],
    ['throws nothing at all in init', { init: () => Promise.reject(undefined) }, 'loop failed to init'],
    ['throws an error of the system in init', { init: () => Promise.reject(enoent()) }, 'loop failed to init: no such file'],
    ['never ends its init', { init: stuck }, 'loop failed to init: no answer from loop.init within 100 ms'],
    ['throws in start', { start: boom }, 'loop failed to start: boom'],
    ['never ends its start', { start: stuck }, 'loop failed to start: no answer from loop.start within 100 ms'],
    ['throws in ready', { ready: boom }, 'loop failed to become ready: boom'],
    ['never is ready', { ready: stuck }, 'loop failed to become ready: no answer from loop.ready within 100 ms'],
  ])('%s: is reported, and the rest goes on', async (_name, part, text) => {
    const entry = fakePart('loop', 'loops', part, { deadlinesMs: { init: 100, start: 100, ready: 100 } });
    const { kernel, clock, states } = kernelOf(store, entry);
    const errors: unknown[] = [];
    kernel.onStatus(({ id, state, error }) => id === 'loop' && state === 'failed' && errors.push(error));
    const started = kernel.start();
    for (let step = 0; step < 4; step++) await clock.advance(600);
    await started;
    expect(errorText(errors[0])).toBe(text);
    expect(kernel.status()[0]!.state).toBe('ready');
    expect(states).toContain('loop restarting');
    await kernel.stop();
    await kernel.finished;
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[string, Part, string]>([
    ['throws in stop', { stop: boom }, 'loop failed to stop: boom'],
    ['never ends its stop', { stop: stuck }, 'loop failed to stop: no answer from loop.stop within 100 ms'],
    ['throws in drain', { drain: boom }, 'loop failed to drain: boom'],
  ])('%s: is named, and the rest is stopped', async (_name, part, text) => {
    const log: string[] = [];
    const { kernel, clock } = kernelOf(
      fakePart('store', 'store', loggingPart('store', log)),
      fakePart('loop', 'loops', part, { deadlinesMs: { stop: 100 } }),
    );
    await kernel.start();
    const stopped = rejection(kernel.stop());
    for (let step = 0; step < 3; step++) await clock.advance(600);
    expect(errorText(await stopped)).toBe(text);
    expect(log.at(-1)).toBe('store.stop');
    await rejection(kernel.finished);
  });

  it('failed in init starts when its init ends well', async () => {
    let tries = 0;
    const init = (): void => {
      if (++tries === 1) boom();
    };
    const { kernel, clock } = kernelOf(store, fakePart('loop', 'loops', { init }));
    await kernel.start();
    expect(kernel.status()[1]!.state).toBe('restarting');
    await clock.advance(2000);
    expect(kernel.status()[1]).toMatchObject({ state: 'ready', restarts: 1, error: undefined });
    await kernel.stop();
  });

  it('is blamed for what nobody caught when it was thrown in its files', async () => {
    const loops = { ...fakePart('loop', 'loops'), location: '/somewhere/k3s plugin x' };
    const { kernel, states } = kernelOf(store, loops);
    await kernel.start();
    const error = new Error('late');
    error.stack = 'Error: late\n    at tick (file:///somewhere/k3s%20plugin%20x/index.js:3:7)';
    expect([kernel.blame(new Error('ours')), kernel.blame('text'), kernel.blame(error)]).toEqual([false, false, true]);
    await new Promise(resolve => setImmediate(resolve));
    expect(states).toContain('loop failed');
    await kernel.stop();
  });
});

function enoent(): Error {
  return Object.assign(new Error('no such file'), { code: 'ENOENT', errno: -2, syscall: 'open' });
}

describe('containers', () => {
  const token = Symbol.for('k3s/network@2');
  const net = fakePart('net', 'network');

  it('shows a contract to other parts and keeps the rest private', async () => {
    const secret = Symbol('secret');
    const network = { name: 'net' };
    const provider = new ContainerModule(({ bind }) => {
      bind(token).toConstantValue(network);
      bind(secret).toConstantValue(1);
      bind(Part).toConstantValue({});
    });
    let seen: unknown[] = [];
    const consumer = new ContainerModule(({ bind }) => {
      bind(Part).toDynamicValue(context => {
        seen = [context.get(token), context.get(secret, { optional: true }), context.get(PluginOptions)];
        expect(context.get(Clock)).toBeInstanceOf(FakeClock);
        context.get<Logger>(Logger).info('there');
        return {};
      });
    });
    const { kernel } = kernelOf(withModule(fakePart('store', 'store'), consumer), withModule(net, provider));
    await kernel.start();
    expect(seen).toEqual([network, undefined, {}]);
    expect(kernel.get(token)).toBe(network);
    expect(kernel.getAll(Symbol.for('k3s/loops@1'))).toEqual([]);
    await kernel.stop();
    expect(() => kernel.get(token)).toThrow();
  });

  it('refuses a module without its contract, without Part, or without what it injects', async () => {
    const log: string[] = [];
    const store = fakePart('store', 'store', loggingPart('store', log));
    const start = async (module: ContainerModule): Promise<string> =>
      errorText(await rejection(kernelOf(store, withModule(net, module)).kernel.start()));
    expect(await start(new ContainerModule(({ bind }) => void bind(Part).toConstantValue({})))).toBe(
      'the module of plugin net (test) does not bind k3s/network@2, the contract it promises',
    );
    expect(await start(new ContainerModule(({ bind }) => void bind(token).toConstantValue({})))).toContain('does not bind Part');
    const missing = new ContainerModule(({ bind }) => {
      bind(token).toConstantValue({});
      bind(Part).toDynamicValue(context => context.get<Part>(Symbol.for('k3s/absent@1')));
    });
    const throwing = new ContainerModule(({ bind }) => {
      bind(token).toConstantValue({});
      bind(Part).toDynamicValue(() => {
        throw new Error('no luck in the constructor');
      });
    });
    const lacking = await rejection(kernelOf(store, withModule(net, missing)).kernel.start());
    expect(lacking).toMatchObject({ code: 'CONTRACT_NOT_BOUND', mend: expect.stringContaining('"requires"') });
    expect(await start(throwing)).toBe('plugin net (test) cannot be built: no luck in the constructor');
    const nonsense = (part: unknown): ContainerModule =>
      new ContainerModule(({ bind }) => {
        bind(token).toConstantValue({});
        bind(Part).toConstantValue(part as Part);
      });
    const what = 'the module of plugin net (test) binds Part to';
    expect(await start(nonsense(3))).toBe(`${what} a number, which is no object with phases`);
    expect(await start(nonsense(null))).toBe(`${what} null, which is no object with phases`);
    expect(await start(nonsense({ stop: 'now' }))).toBe(`${what} an object whose "stop" is a string, not a method`);
    expect(await start(missing)).toMatch(/^plugin net \(test\) cannot be built: .*k3s\/absent@1/);
    expect(log).toEqual([]);
  });

  it('names a circle of injections across parts', async () => {
    const other = Symbol.for('k3s/store@1');
    const circle = (own: symbol, wanted: symbol) =>
      new ContainerModule(({ bind }) => {
        bind(own).toDynamicValue(context => ({ wanted: context.get(wanted) }));
        bind(Part).toService(own);
      });
    const { kernel } = kernelOf(
      withModule(fakePart('store', 'store'), circle(other, token)),
      withModule(net, circle(token, other)),
    );
    expect(errorText(await rejection(kernel.start()))).toContain('plugins inject each other in a circle');
  });

  it('refuses to start when a module cannot be loaded, naming the package that is missing', async () => {
    const entry = fakePart('net', 'network', {}, { load: () => import('no-such-package' as string) });
    const error = await rejection(kernelOf(fakePart('store', 'store'), entry).kernel.start());
    expect(error).toMatchObject({ code: 'PLUGIN_LOAD_FAILED' });
    expect(error.message).toContain('plugin net (test) cannot be loaded');
  });
});
