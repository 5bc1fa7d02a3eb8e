import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../base/fake-clock.js';
import { WorkQueue } from './work-queue.js';

describe('WorkQueue', () => {
  it('holds a key once, and again after done when added while processing', async () => {
    const queue = new WorkQueue<string>({ clock: new FakeClock() });
    queue.add('a');
    queue.add('a');
    queue.add('b');
    expect(queue.length).toBe(2);
    expect(await queue.take()).toBe('a');
    queue.add('a');
    expect(queue.length).toBe(1);
    expect(await queue.take()).toBe('b');
    queue.done('a');
    queue.done('b');
    expect(queue.length).toBe(1);
    expect(await queue.take()).toBe('a');
  });

  it('hands a key to a waiting worker and marks it as processing', async () => {
    const queue = new WorkQueue<string>({ clock: new FakeClock() });
    const taken = queue.take();
    queue.add('a');
    queue.add('a');
    expect(await taken).toBe('a');
    expect(queue.length).toBe(0);
    queue.done('a');
    expect(queue.length).toBe(1);
  });

  it('backs off from 5 ms, doubling, until forgotten', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue<string>({ clock });
    for (const waitMs of [5, 10, 20]) {
      queue.addRateLimited('a');
      await clock.advance(waitMs - 1);
      expect(queue.length).toBe(0);
      await clock.advance(1);
      expect(await queue.take()).toBe('a');
      queue.done('a');
    }
    expect(queue.requeues('a')).toBe(3);
    queue.forget('a');
    queue.addRateLimited('a');
    await clock.advance(5);
    expect(queue.length).toBe(1);
  });

  it('keeps the shortest of several waits', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue<string>({ clock });
    queue.addAfter('a', 1000);
    queue.addAfter('a', 100);
    queue.addAfter('a', 500);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(100);
    expect(queue.length).toBe(1);
  });

  it('drains on shutdown and wakes idle workers', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue<string>({ clock });
    queue.add('a');
    queue.add('b');
    await queue.take();
    queue.addAfter('c', 10);
    let drained = false;
    const shutDown = queue.shutDown().then(() => (drained = true));
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1);
    expect(drained).toBe(false);
    queue.add('d');
    expect(await queue.take()).toBeUndefined();
    queue.done('a');
    await shutDown;
    expect(drained).toBe(true);
  });
});
