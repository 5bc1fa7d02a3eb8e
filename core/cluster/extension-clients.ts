import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { ExtensionClients } from '../apiserver/aggregation/extension-objects.js';
import { apiServerIdentity } from '../apiserver/bootstrap.js';
import { Client } from '../client/client.js';
import { RestTransport } from '../client/http-transport.js';
import { SharedInformer } from '../client/informer.js';

/** The API server as a client of extension servers. */
export function extensionClients(clock: Clock, logger: Logger): ExtensionClients {
  return {
    transport: exchange => new RestTransport({ exchange, clock }),
    follow(transport, resource) {
      const client = new Client(transport, apiServerIdentity, 'kube-apiserver');
      const informer = new SharedInformer({ client, resource, clock, logger, streamsLists: false });
      informer.start();
      return informer;
    },
  };
}
