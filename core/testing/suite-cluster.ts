import { fileURLToPath } from 'node:url';
import { FakeClock } from '../base/fake-clock.js';
import type { MetricsUnderTest } from './metrics-suite.js';
import type { SchedulerUnderTest } from './scheduler-suite.js';
import { ScriptedUsage } from './scripted-usage.js';
import { startCluster } from './start-cluster.js';
import type { StorageUnderTest } from './storage-suite.js';

const scriptedUsage = fileURLToPath(new URL('./scripted-usage.js', import.meta.url));

/** How a suite's cluster comes to its plugin. */
export interface PluginChoice {
  /** Id of the plugin. */
  readonly id: string;
  /** Its package, as `--plugin` takes it. Absent: it comes with k3s. */
  readonly package?: string;
  /** Further flags of `k3s server`. */
  readonly arguments?: readonly string[];
}

/** Flags of `k3s server` that put the plugin into the slot. */
export function argumentsFor(slot: string, choice: PluginChoice): string[] {
  const { id, package: origin, arguments: more = [] } = choice;
  return [...(origin === undefined ? [] : ['--plugin', origin]), '--slot', `${slot}=${id}`, ...more];
}

/** A new sandbox with the plugin as its scheduler, for `schedulerSuite`. */
export async function schedulerCluster(
  choice: PluginChoice & Pick<SchedulerUnderTest, 'mayRefuse'>,
): Promise<SchedulerUnderTest> {
  const cluster = await startCluster({ arguments: [...argumentsFor('scheduler', choice), '--disable-agent'] });
  return {
    client: cluster.client,
    restart: whileAway => cluster.restartPart(choice.id, whileAway),
    ...(choice.mayRefuse && { mayRefuse: choice.mayRefuse }),
    dispose: () => cluster.stop(),
  };
}

/** A new sandbox with the plugin as its metrics, for `metricsSuite`. */
export async function metricsCluster(choice: PluginChoice): Promise<MetricsUnderTest> {
  const clock = new FakeClock(Date.now());
  const more = ['--disable-agent', '--plugin', scriptedUsage];
  const cluster = await startCluster({ arguments: [...argumentsFor('metrics', choice), ...more], clock });
  return {
    client: cluster.client,
    usage: cluster.get<ScriptedUsage>(ScriptedUsage.token),
    nowMs: () => clock.now(),
    advanceTime: byMs => clock.advance(byMs),
    restart: whileAway =>
      cluster.restartPart(choice.id, async () => {
        await whileAway();
        // The kernel's pause before the next start.
        await clock.advance(5000);
      }),
    dispose: () => cluster.stop(),
  };
}

/** A new sandbox with the plugin as its only storage, for `storageSuite`. */
export async function storageCluster(
  choice: PluginChoice & Pick<StorageUnderTest, 'className' | 'dataOf'>,
): Promise<StorageUnderTest> {
  const { id, className, dataOf } = choice;
  const cluster = await startCluster({ arguments: argumentsFor('storage', choice) });
  return {
    client: cluster.client,
    ...(className !== undefined && { className }),
    ...(dataOf && { dataOf }),
    restart: whileAway => cluster.restartPart(id, whileAway),
    dispose: () => cluster.stop(),
  };
}
