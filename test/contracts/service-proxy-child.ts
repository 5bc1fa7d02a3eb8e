import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { hasOwnNetwork, runTool } from '../../core/testing/cni-pods.js';
import { serveCases } from '../support/remote-cases.js';
import { defineServiceProxyCases } from './service-proxy-cases.js';

/** The process with the proxy, in the network namespace that it was started in. */
await serveCases(defineServiceProxyCases, {
  async setUp() {
    await runTool('ip', 'link', 'set', 'lo', 'up');
    assert.ok(hasOwnNetwork());
    await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  },
  cleanUp: () => Promise.resolve(),
});
