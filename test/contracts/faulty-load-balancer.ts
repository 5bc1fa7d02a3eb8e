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
import { FaultyTransport } from './faulty-transport.js';
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
        const faulty = new FaultyTransport(transport);
        faulty.missesDeletions = fault?.missesDeletions ?? false;
        faulty.missesWhatWasThere = fault?.missesWhatWasThere ?? false;
        const { sees, writes } = fault ?? {};
        if (sees) faulty.sees = (object, resource) => (resource === 'services' ? sees(object as Service) : object);
        if (writes) {
          faulty.patches = async request => {
            const services = new Client(transport, administrator).resource(Resources.Services, request.namespace);
            const { status, ...others } = request.patch as { status: { loadBalancer: { ingress: Ingress } } };
            const more = async (patch: object, subresource?: string): Promise<void> => {
              await (subresource ? services.subresource(subresource) : services).patch(request.name, 'merge', patch);
            };
            const ingress = await writes(status.loadBalancer.ingress, await services.get(request.name), more);
            return ingress === undefined
              ? undefined
              : { ...request, patch: { ...others, status: { loadBalancer: { ingress } } } };
          };
        }
        return new ServiceLb({ ...parts, transport: faulty, newRecorder });
      },
      [ApiTransport, ClusterSettings, Clock, Logger, PluginOptions],
    );
  });
}
