import assert from 'node:assert/strict';
import { runTool } from '../../core/testing/cni-pods.js';
import { cniSuite } from '../../core/testing/cni-suite.js';
import type { CniUnderTest } from '../../core/testing/cni-suite.js';
import { startCniUnderTest } from '../../core/testing/cni-under-test.js';
import { casesOf } from '../../core/testing/test-runner.js';
import type { SuiteCase, TestRunner } from '../../core/testing/test-runner.js';
import { brokenBy } from './fault-cases.js';
import { faultyCni, faults } from './cni-faults.js';
import type { Fault } from './cni-faults.js';

/** For a process that is root in a network namespace of its own. */
export function defineCniCases({ describe, it }: TestRunner, configuration: string): void {
  for (const backend of ['vxlan', 'host-gw']) {
    describe(`flannel by ${backend}`, () => cniSuite({ describe, it }, () => startFlannel(configuration, backend)));
  }
  describe('the suite turns red for a network that', () => {
    for (const fault of faults)
      it(fault.name, async () => assert.deepEqual(await brokenBy(casesFor(fault), fault.noticedBy), fault.noticedBy));
    describe('and stays green for one without a fault', () => {
      for (const { name, body } of casesFor({ name: 'none', noticedBy: [], range: '10.98.0.0/29' })) it(name, body);
    });
    it('and has a fault for each of its cases', async () => {
      const noticed = new Set(faults.flatMap(({ noticedBy }) => noticedBy));
      assert.deepEqual(
        casesFor(faults[0]!).flatMap(({ title }) => (noticed.has(title) ? [] : [title])),
        [],
      );
    });
  });
}

async function startFlannel(configuration: string, backend: string): Promise<CniUnderTest> {
  // What a node has: a link to others.
  await runTool('ip', 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'far-end');
  await runTool('ip', 'link', 'set', 'far-end', 'up');
  await runTool('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'uplink');
  await runTool('ip', 'link', 'set', 'uplink', 'up');
  const own = ['--config', configuration, '--slot', 'cni=flannel', '--flannel-backend', backend, '--node-ip', '192.0.2.1'];
  const subject = await startCniUnderTest({ arguments: own });
  return {
    ...subject,
    async dispose() {
      await subject.dispose();
      for (const link of ['cni0', 'flannel.1', 'uplink']) await runTool('ip', 'link', 'delete', link).catch(() => undefined);
    },
  };
}

const casesFor = (fault: Fault): SuiteCase[] => casesOf(runner => cniSuite(runner, () => faultyCni(fault)));
