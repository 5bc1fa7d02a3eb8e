import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serviceProxySuite, startServiceProxyUnderTest } from 'k3s-ts/testing';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** Every promise of the slot. ClusterIPs are looked at only by root in a network namespace of its own: `unshare --net npm test`. */
void describe('template-service-proxy', () => {
  serviceProxySuite({ describe, it }, () =>
    startServiceProxyUnderTest({
      arguments: ['--plugin', packageDirectory, '--slot', 'service-proxy=template-service-proxy'],
    }),
  );
});
