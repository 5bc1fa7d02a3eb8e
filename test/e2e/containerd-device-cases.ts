import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { containerSpec } from '../../core/testing/container-runtime-suite.js';
import { rejection } from '../../core/testing/rejection.js';
import { testMark } from '../support/containerd-node.js';
import type { Case } from './containerd-cases.js';

export function deviceCases(test: Case): void {
  test('devices of the host and those of the Container Device Interface are in the container', async bench => {
    const specFile = `/var/run/cdi/${testMark}-${process.pid}.json`;
    const kind = `${testMark}.local/thing`;
    const own = {
      env: ['GREETING=of the device'],
      deviceNodes: [{ path: '/dev/thing', hostPath: '/dev/zero', permissions: 'r' }],
    };
    const shared = { mounts: [{ hostPath: '/etc/hostname', containerPath: '/lib/thing', options: ['ro', 'bind'] }] };
    const definition = { cdiVersion: '0.5.0', kind, devices: [{ name: 'a', containerEdits: own }], containerEdits: shared };
    const made = await mkdir('/var/run/cdi', { recursive: true });
    await writeFile(specFile, JSON.stringify(definition));
    try {
      const sandbox = await bench.sandbox();
      const script =
        'echo $GREETING; for d in thing plain; do head -c 2 /dev/$d | od -An -tx1; done; test -s /lib/thing && echo mounted';
      const devices = [{ hostPath: '/dev/zero', containerPath: '/dev/plain', permissions: 'rw' }];
      const id = await bench.run(sandbox, script, { devices, cdiDevices: [`${kind}=a`] });
      await bench.ended(id);
      assert.match(await bench.log(id), /of the device\n.* 00 00\n.* 00 00\n.*mounted\n/);
      const unknown = containerSpec(bench.subject, 'true', { name: 'unknown', cdiDevices: [`${kind}=b`] });
      const error = await rejection(bench.runtime.createContainer(sandbox, unknown), 'RUNTIME_FAILED');
      assert.match(error.message, /unresolvable CDI devices .*=b/);
    } finally {
      await rm(made ?? specFile, { recursive: true });
    }
  });
}
