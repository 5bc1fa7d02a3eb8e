import { ContainerModule } from 'inversify';
import { ApiServerPart } from '../../apiserver/api-server-part.js';
import type { AuditSurroundings } from '../../apiserver/audit/audit-settings.js';
import { defaultRequestLimits } from '../../apiserver/flowcontrol/flow-control.js';
import { extensionClients } from '../extension-clients.js';
import { JsonPoster } from '../../client/json-poster.js';
import { readKubeconfig } from '../../client/kubeconfig.js';
import { AdmissionPlugin } from '../../contracts/admission.js';
import { ApiGroup } from '../../contracts/api-group.js';
import { ApiTransport } from '../../contracts/api-transport.js';
import { Clock } from '../../contracts/clock.js';
import { ClusterAuthority } from '../../contracts/cluster-authority.js';
import { ClusterPaths } from '../../contracts/cluster-paths.js';
import { ClusterSettings } from '../../contracts/cluster-settings.js';
import { Datastore } from '../../contracts/datastore.js';
import { ExposedMetrics } from '../../contracts/exposed-metrics.js';
import { HttpRoutes } from '../../contracts/http-routes.js';
import { Logger } from '../../contracts/logger.js';
import { NodeCredentials } from '../../contracts/node-credentials.js';
import { Part } from '../../contracts/part.js';
import { PluginOptions } from '../../contracts/plugin-options.js';
import { ResourceCatalogue } from '../../contracts/resource-catalogue.js';
import { apiServerTuning } from '../arguments/apiserver-arguments.js';
import type { ArgumentOptions } from './argument-options.js';

const auditTimeoutMs = 30_000;

function auditEndpoint(version: string): AuditSurroundings['endpoint'] {
  return async configFile => {
    const credentials = await readKubeconfig(configFile);
    return new JsonPoster({ credentials, userAgent: `kube-apiserver/${version}`, timeoutMs: auditTimeoutMs });
  };
}

export const module = new ContainerModule(({ bind }) => {
  bind(ApiServerPart).toResolvedValue(
    (
      datastore: Datastore,
      paths: ClusterPaths,
      settings: ClusterSettings,
      clock: Clock,
      logger: Logger,
      admission: AdmissionPlugin[],
      groups: ApiGroup[],
      routes: HttpRoutes[],
      metrics: ExposedMetrics[],
      options: ArgumentOptions,
    ) => {
      const { tuning } = apiServerTuning(options.arguments);
      const { serviceNodePortRange = settings.serviceNodePortRange, disabledAdmission } = tuning;
      return new ApiServerPart({
        datastore,
        paths,
        settings: { ...settings, serviceNodePortRange },
        clock,
        logger,
        admission: () => admission,
        groups,
        routes,
        metrics,
        extensionClients: extensionClients(clock, logger),
        ...(disabledAdmission ? { disabledAdmission } : {}),
        requestLimits: {
          readOnly: tuning.requestsInFlight ?? defaultRequestLimits.readOnly,
          mutating: tuning.mutatingRequestsInFlight ?? defaultRequestLimits.mutating,
          isFair: tuning.priorityAndFairness ?? defaultRequestLimits.isFair,
        },
        audit: tuning.audit && { settings: tuning.audit, endpoint: auditEndpoint(settings.version) },
        tolerationSeconds: { notReady: tuning.notReadySeconds, unreachable: tuning.unreachableSeconds },
      });
    },
    [
      Datastore,
      ClusterPaths,
      ClusterSettings,
      Clock,
      Logger,
      { isMultiple: true, serviceIdentifier: AdmissionPlugin },
      { isMultiple: true, serviceIdentifier: ApiGroup },
      { isMultiple: true, serviceIdentifier: HttpRoutes },
      { isMultiple: true, serviceIdentifier: ExposedMetrics },
      PluginOptions,
    ],
  );
  bind(Part).toService(ApiServerPart);
  bind(ApiTransport).toResolvedValue((part: ApiServerPart) => part.transport, [ApiServerPart]);
  bind(ClusterAuthority).toResolvedValue((part: ApiServerPart) => part.authority, [ApiServerPart]);
  bind(NodeCredentials).toResolvedValue((part: ApiServerPart) => part.nodeCredentials, [ApiServerPart]);
  bind(ResourceCatalogue).toResolvedValue((part: ApiServerPart) => part.catalogue, [ApiServerPart]);
});
