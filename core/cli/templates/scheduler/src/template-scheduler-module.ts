import { ApiTransport, Clock, ContainerModule, Logger, Part } from 'k3s-ts/plugin';
import { TemplateScheduler } from './template-scheduler.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (transport: ApiTransport, clock: Clock, logger: Logger) => new TemplateScheduler({ transport, clock, logger }),
    [ApiTransport, Clock, Logger],
  );
});
