import { afterEach, describe, expect, it } from '@jest/globals';
import { ConfigMaps } from '../api/generated/resources.js';
import type { ConfigMap } from '../api/generated/types.js';
import { keyOf } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ControllerContext } from './controller.js';
import { Reconciler } from './reconciler.js';
import { ControllerHarness } from './testing/harness.js';

class Recording extends Reconciler {
  readonly synced: string[] = [];
  failures = 0;
  readonly #configMaps: Informer<ConfigMap>;

  constructor(context: ControllerContext, maximumRetries?: number) {
    super(context, { name: 'recording', maximumRetries });
    this.#configMaps = context.informers.informer(ConfigMaps);
  }

  protected override register(): void {
    this.watch(this.#configMaps, { added: entry => this.queue.add(keyOf(entry)) });
  }

  protected override async sync(key: string): Promise<void> {
    this.synced.push(key);
    if (this.failures-- > 0) throw new Error('not yet');
  }
}

describe('Reconciler', () => {
  const harness = new ControllerHarness();
  afterEach(() => harness.stop());

  it('works on keys, again after failures, and stops', async () => {
    let recording!: Recording;
    await harness.resource(ConfigMaps).create({ metadata: { name: 'a' } } as ConfigMap);
    await harness.start(context => {
      recording = new Recording(context, 2);
      recording.failures = 100;
      return recording;
    });
    expect(recording.synced).toEqual(['default/a']);
    await harness.advance(5);
    expect(recording.synced).toHaveLength(2);
    await harness.advance(10);
    expect(recording.synced).toHaveLength(3);
    await harness.advance(60_000);
    expect(recording.synced).toHaveLength(3);
    await recording.stop();
    await harness.resource(ConfigMaps).create({ metadata: { name: 'b' } } as ConfigMap);
    await harness.settle();
    expect(recording.synced).toHaveLength(3);
  });
});
