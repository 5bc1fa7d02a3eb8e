import {
  ApiEventRecorder,
  ApiTransport,
  Client,
  Clock,
  ClusterSettings,
  ContainerModule,
  Logger,
  Part,
} from '../../../core/plugin-api/index.js';
import { controllerIdentity, ServiceLb } from './servicelb.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (transport: ApiTransport, settings: ClusterSettings, clock: Clock, logger: Logger) => {
      const client = new Client(transport, controllerIdentity, 'servicelb');
      const newRecorder = (): ApiEventRecorder =>
        new ApiEventRecorder({ client, clock, logger, component: 'service-lb-controller' });
      return new ServiceLb({ transport, settings, clock, logger, newRecorder });
    },
    [ApiTransport, ClusterSettings, Clock, Logger],
  );
});
