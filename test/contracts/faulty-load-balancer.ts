import {
  ApiEventRecorder,
  ApiTransport,
  Client,
  Clock,
  ClusterSettings,
  ContainerModule,
  definePlugin,
  Logger,
  Part,
  PluginOptions,
  Resources,
} from '../../core/plugin-api/index.js';
import type { CallerIdentity, Service } from '../../core/plugin-api/index.js';
import { controllerIdentity, ServiceLb } from '../../plugins/load-balancer/servicelb/servicelb.js';
import { faultyTransport } from './faulty-transport.js';
import { makeFaults } from './load-balancer-faults.js';
import type { Ingress } from './load-balancer-faults.js';

interface Options {
  readonly fault: string;
}

const administrator: CallerIdentity = { name: 'system:admin', groups: ['system:masters', 'system:authenticated'] };

/** A plugin as one is brought by `--plugin`, with the fault that a flag names. */
export const plugin = definePlugin<Options>({
  id: 'faulty',
  slot: 'load-balancer',
  contract: 1,
  side: 'server',
  requires: ['apiserver'],
  options: { fault: { default: '', format: String } },
  flags: { fault: { option: 'fault', kind: 'string', summary: 'what it does wrong' } },
  load: () => Promise.resolve({ module: makeModule() }),
});

function makeModule(): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(Part).toResolvedValue(
      (transport: ApiTransport, settings: ClusterSettings, clock: Clock, logger: Logger, options: Options) => {
        const parts = { settings, clock, logger };
        const fault = makeFaults().find(({ name }) => name === options.fault);
        const client = new Client(transport, controllerIdentity, 'faulty');
        const newRecorder = () =>
          fault?.recorder
            ? Object.assign(fault.recorder, { stop: () => Promise.resolve() })
            : new ApiEventRecorder({ client, clock, logger, component: 'faulty' });
        const { sees, writes, missesDeletions, missesWhatWasThere } = fault ?? {};
        const faulty = faultyTransport(transport, {
          read: (resource, object) => (sees && resource === 'services' ? sees(object as Service) : object),
          hears: (_, { type, initial }) => !(missesDeletions && type === 'DELETED') && !(missesWhatWasThere && initial),
          async write(resource, patch, { namespace, name }) {
            if (!writes || resource !== 'services/status') return patch;
            const services = new Client(transport, administrator).resource(Resources.Services, namespace);
            const { status, ...others } = patch as { status: { loadBalancer: { ingress: Ingress } } };
            const more = async (further: object, subresource?: string): Promise<void> => {
              await (subresource ? services.subresource(subresource) : services).patch(name!, 'merge', further);
            };
            const ingress = await writes(status.loadBalancer.ingress, await services.get(name!), more);
            return ingress === undefined ? undefined : { ...others, status: { loadBalancer: { ingress } } };
          },
        });
        return new ServiceLb({ ...parts, transport: faulty, newRecorder });
      },
      [ApiTransport, ClusterSettings, Clock, Logger, PluginOptions],
    );
  });
}
