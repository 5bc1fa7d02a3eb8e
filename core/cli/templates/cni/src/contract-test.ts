import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cniSuite, startCniUnderTest } from 'k3s-ts/testing';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** Every promise of the contract. Pods are wired only by root in a network namespace of its own: `unshare --net npm test`. */
void describe('template-cni', () => {
  cniSuite({ describe, it }, () =>
    startCniUnderTest({ arguments: ['--plugin', packageDirectory, '--slot', 'cni=template-cni'] }),
  );
});
