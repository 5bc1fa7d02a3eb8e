import { ContainerModule, definePlugin, MetricsSource, Part } from '../plugin-api/index.js';
import type { NodeUsage } from '../plugin-api/index.js';

/** What the nodes of a suite's cluster use, as the suite says. */
export class ScriptedUsage implements MetricsSource {
  static readonly token: unique symbol = Symbol.for('k3s-testing/scripted-usage@1');

  /** Asked at each measurement. May throw, or never settle. */
  answer: () => readonly NodeUsage[] | Promise<readonly NodeUsage[]> = () => [];
  /** How often it was asked. */
  asked = 0;

  async usage(): Promise<readonly NodeUsage[]> {
    this.asked++;
    return this.answer();
  }
}

/** A source of metrics that a suite controls, for `--plugin`. */
export const plugin = definePlugin({
  id: 'scripted-usage',
  slot: 'metrics-sources',
  contract: 1,
  summary: 'what a test says that nodes use',
  provides: [ScriptedUsage.token],
  load: async () => ({
    module: new ContainerModule(({ bind }) => {
      bind(ScriptedUsage.token).toConstantValue(new ScriptedUsage());
      bind(MetricsSource).toService(ScriptedUsage.token);
      // Nothing of it needs to be started.
      bind(Part).toConstantValue({});
    }),
  }),
});
