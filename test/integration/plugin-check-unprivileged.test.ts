import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mayUseNamespaces } from '../../core/host/testing/network-namespace.js';
import { launch } from '../support/command-line.js';
import type { Outcome } from '../support/command-line.js';
import { PluginHome } from '../support/plugin-package.js';

const asRoot = mayUseNamespaces() || process.env['K3S_TEST_REQUIRE'] === '1' ? describe : describe.skip;

/** Nobody, but for one right: a checkout may lie where only root may look. */
const ordinaryUser = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const mayRead = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search', '--'];

let packages: PluginHome;
let ownHome: string;
/** All at once, since much of it is waiting: by slot, and by what is before the words. */
const outcomes = new Map<string, Promise<Outcome>>();
beforeAll(async () => {
  packages = await PluginHome.make();
  ownHome = join(packages.directory, 'of-nobody');
  await mkdir(ownHome);
  await chmod(packages.directory, 0o755);
  await chmod(ownHome, 0o777);
  const slots = ['service-proxy', 'cni', 'container-runtime'];
  await Promise.all(slots.map(slot => packages.initialise(`my-${slot}`, slot)));
  for (const slot of slots) outcomes.set(slot, check(slot));
  outcomes.set('alone', check('service-proxy', ['unshare', '--net', '--']));
}, 120_000);
afterAll(async () => {
  await Promise.all(outcomes.values());
  await packages.dispose();
});

/** `k3s plugin check` of a new plugin, as an ordinary user. */
async function check(slot: string, before: readonly string[] = []): Promise<Outcome> {
  const words = ['plugin', 'check', join(packages.home, `my-${slot}`)];
  const options = {
    before: [...before, ...ordinaryUser, ...mayRead],
    environment: { K3S_CONFIG_FILE: '/dev/null', XDG_CACHE_HOME: ownHome },
    spawn: { timeout: 90_000, killSignal: 'SIGKILL' },
  } as const;
  return launch(ownHome, words, options).outcome;
}

asRoot('k3s plugin check by an ordinary user (set up by root)', () => {
  it('tries node ports of a service proxy, and says what only root can try', async () => {
    const { code, output, errors } = await outcomes.get('service-proxy')!;
    expect({ code, errors, output }).toEqual({ code: 0, errors: '', output: expect.not.stringContaining('broken') });
    expect(output).toContain('ok      my-service-proxy: node ports: carry datagrams');
    expect(output).not.toContain('cluster addresses:');
    expect(output).toMatch(
      /^note .*ClusterIPs are by root in a network namespace of its own \(sudo unshare --net k3s plugin check/m,
    );
    expect(output).toMatch(/^\d+ promises kept$/m);
  }, 120_000);

  it('says once what it lacks where the machine has no address', async () => {
    const { code, output } = await outcomes.get('alone')!;
    expect(code).toBe(1);
    expect(output).toMatch(
      /^broken .*no address but loopback.* \(run it by root in a network namespace of its own: unshare --net\)$/m,
    );
    expect(output).toMatch(/^1 of \d promises broken$/m);
  }, 120_000);

  it('looks at the folders of a pod network, and says what only root can try', async () => {
    const { code, output, errors } = await outcomes.get('cni')!;
    expect({ code, errors, output }).toEqual({ code: 0, errors: '', output: expect.not.stringContaining('broken') });
    expect(output).toContain('ok      my-cni: its folders: hold a configuration');
    expect(output).not.toContain('pods: ');
    expect(output).toMatch(/^note .*no pod was wired: that is tried by root/m);
  }, 120_000);

  it('keeps all promises of a container runtime that needs no root', async () => {
    const { code, output } = await outcomes.get('container-runtime')!;
    expect([code, output]).toEqual([0, expect.stringMatching(/^\d+ promises kept$/m)]);
    expect(output).toContain('ok      my-container-runtime: images and usage: usage of what runs');
  }, 120_000);
});
