import { beforeEach, describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { silentLogger } from '../../base/logger.js';
import { loadTypes } from '../../api/schema-data.js';
import type { Passage } from '../flowcontrol/request-limiter.js';
import type { FrontOptions } from './front.js';
import { Front } from './front.js';

class Connection extends EventEmitter {
  destroyed = false;
  headersSent = false;
  statusCode = 0;
  setHeader(): void {}
  writeHead(code: number): this {
    this.statusCode = code;
    return this;
  }
  end(): void {
    this.leave();
  }
  destroy(): void {
    this.leave();
  }
  leave(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

describe('a watch is counted until its connection is over', () => {
  let open: number;
  let connection: Connection;
  let isAllowed: boolean;
  let owner: boolean | object;
  let seats: number;
  let wait: () => Promise<void>;
  let watch: () => Promise<void>;

  beforeEach(() => {
    open = seats = 0;
    connection = new Connection();
    isAllowed = true;
    owner = true;
    wait = async () => undefined;
    watch = async () => undefined;
  });

  async function handle(): Promise<void> {
    const passage = (): Passage => {
      open++;
      seats++;
      let isOpen = true;
      let isSeated = true;
      const end = (): void => {
        if (isSeated) seats--;
        isSeated = false;
      };
      return {
        mustWait: true,
        wait: () => wait(),
        retryAfterSeconds: undefined,
        classification: undefined,
        end,
        close: () => {
          end();
          if (isOpen) open--;
          isOpen = false;
        },
      };
    };
    const front = new Front({
      authentication: { authenticate: () => ({ user: { name: 'somebody', groups: [] }, warnings: [] }) },
      impersonation: { impersonate: (user: unknown) => user },
      limiter: { enter: passage },
      authorizer: { authorize: () => ({ decision: isAllowed ? 'allow' : 'deny', reason: '' }) },
      resources: { handle: () => watch() },
      connections: { handles: () => false },
      route: () => owner,
      aggregator: { serve: () => new Promise(() => undefined) },
      routes: () => false,
      logger: silentLogger,
      metrics: { begin: () => ({ end: () => undefined }) },
      types: loadTypes(''),
    } as unknown as FrontOptions);
    const request = { method: 'GET', url: '/api/v1/pods?watch=true', headers: {}, rawHeaders: [], complete: true, socket: {} };
    front.handle(request as unknown as IncomingMessage, connection as unknown as ServerResponse);
    await new Promise(setImmediate);
  }

  it('when it is served', async () => {
    await handle();
    expect(open).toBe(1);
    connection.leave();
    expect(open).toBe(0);
  });

  it("when it is another server's, where it takes no seat of ours", async () => {
    owner = {};
    await handle();
    expect([open, seats]).toEqual([1, 0]);
    connection.leave();
    expect(open).toBe(0);
  });

  it('when it is forbidden', async () => {
    isAllowed = false;
    await handle();
    expect([connection.statusCode, open]).toEqual([403, 0]);
  });

  it('when nobody serves it', async () => {
    owner = false;
    await handle();
    expect([connection.statusCode, open]).toEqual([404, 0]);
  });

  it('when its client leaves while it waits, and then it is not begun', async () => {
    let begun = 0;
    watch = async () => void begun++;
    wait = async () => connection.leave();
    await handle();
    expect([open, begun]).toEqual([0, 0]);
  });

  it('when its client had left before', async () => {
    connection.destroyed = true;
    await handle();
    expect(open).toBe(0);
  });
});
