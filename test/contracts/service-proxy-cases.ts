import assert from 'node:assert/strict';
import { NftCommand } from '../../core/host/nftables.js';
import { HostCommands } from '../../core/host/commands.js';
import { serviceProxySuite } from '../../core/testing/service-proxy-suite.js';
import type { ServiceProxyUnderTest } from '../../core/testing/service-proxy-suite.js';
import { startServiceProxyUnderTest } from '../../core/testing/service-proxy-under-test.js';
import { casesOf } from '../../core/testing/test-runner.js';
import type { SuiteCase, TestRunner } from '../../core/testing/test-runner.js';
import { brokenBy } from './fault-cases.js';
import { faults, faultyProxy, SoundProxy } from './service-proxy-faults.js';
import type { Fault } from './service-proxy-faults.js';

/** For a process that is root in a network namespace of its own. */
export function defineServiceProxyCases({ describe, it }: TestRunner): void {
  describe('nftables', () => serviceProxySuite({ describe, it }, startNftables));
  describe('the suite turns red for a proxy that', () => {
    for (const fault of faults) {
      it(fault.name, async () => assert.deepEqual(await brokenBy(casesFor(fault), fault.noticedBy), fault.noticedBy));
    }
    describe('and stays green for one without a fault', () => {
      for (const { name, body } of casesFor({ type: SoundProxy })) it(name, body);
    });
    it('and has a fault for each of its cases', async () => {
      const noticed = new Set(faults.flatMap(({ noticedBy }) => noticedBy));
      assert.deepEqual(
        casesFor({ type: SoundProxy }).flatMap(({ title }) => (noticed.has(title) ? [] : [title])),
        [],
      );
    });
  });
}

async function startNftables(): Promise<ServiceProxyUnderTest> {
  const subject = await startServiceProxyUnderTest({ arguments: ['--slot', 'service-proxy=nftables'], outlivesStop: true });
  return {
    ...subject,
    async dispose() {
      await subject.dispose();
      await new NftCommand(new HostCommands()).deleteTable('inet', 'k3s-services');
    },
  };
}

const casesFor = (fault: Pick<Fault, 'type'>): SuiteCase[] =>
  casesOf(runner => serviceProxySuite(runner, () => faultyProxy(fault)));
