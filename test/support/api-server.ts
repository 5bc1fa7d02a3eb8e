import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../core/base/clock.js';
import { SinkLogger, formatRecord } from '../../core/base/logger.js';
import { ApiServerPart } from '../../core/apiserver/api-server-part.js';
import type { AuditSettings } from '../../core/apiserver/audit/audit-settings.js';
import { JsonPoster } from '../../core/client/json-poster.js';
import { readKubeconfig } from '../../core/client/kubeconfig.js';
import { extensionClients } from '../../core/cluster/extension-clients.js';
import type { ClusterDialer } from '../../core/contracts/cluster-dialer.js';
import type { RequestLimits } from '../../core/apiserver/flowcontrol/flow-control.js';
import type { WebhookCaller } from '../../core/apiserver/crd/conversion-webhook.js';
import type { ClusterPaths } from '../../core/contracts/cluster-paths.js';
import type { ClusterSettings } from '../../core/contracts/cluster-settings.js';
import type { Datastore } from '../../core/contracts/datastore.js';
import type { ApiGroup } from '../../core/contracts/api-group.js';
import type { AdmissionPlugin } from '../../core/contracts/admission.js';
import { MemoryDatastore } from '../../plugins/datastore/memory/memory-datastore.js';

export interface RunningApiServer {
  readonly part: ApiServerPart;
  readonly kubeconfig: string;
  readonly directory: string;
  stop(): Promise<void>;
}

async function auditEndpoint(configFile: string): Promise<JsonPoster> {
  return new JsonPoster({ credentials: await readKubeconfig(configFile), userAgent: 'kube-apiserver/test', timeoutMs: 30_000 });
}

/** An API server alone, on a port of the system's choice, with a memory datastore unless told otherwise. */
export async function startApiServer(
  options: {
    datastore?: Datastore;
    /** Instead: one that the caller opens and closes, because another server uses it too, or the next. */
    sharedDatastore?: Datastore;
    admission?: readonly AdmissionPlugin[];
    disabledAdmission?: readonly string[];
    conversionWebhooks?: WebhookCaller;
    groups?: readonly ApiGroup[];
    serviceCidrs?: readonly string[];
    dialer?: ClusterDialer;
    requestLimits?: RequestLimits;
    audit?: AuditSettings;
  } = {},
): Promise<RunningApiServer> {
  const directory = await mkdtemp(join(tmpdir(), 'k3s-api-'));
  const clock = new SystemClock();
  const logger = new SinkLogger(record => process.stderr.write(`${formatRecord(record)}\n`), 'warn');
  const datastore = options.sharedDatastore ?? options.datastore ?? new MemoryDatastore({ clock, logger });
  if (!options.sharedDatastore) await datastore.open();
  const kubeconfig = join(directory, 'k3s.yaml');
  const paths = {
    dataDir: directory,
    kubeconfigFile: kubeconfig,
    server: { dir: join(directory, 'server'), tlsDir: join(directory, 'server/tls'), tokenFile: join(directory, 'server/token') },
  } as unknown as ClusterPaths;
  const settings = {
    version: 'v1.36.3+k3s-ts',
    clusterDomain: 'cluster.local',
    serviceCidrs: options.serviceCidrs ?? ['10.43.0.0/16'],
    serviceNodePortRange: { first: 30000, last: 32767 },
    nodeName: 'test-node',
    nodeIps: ['192.0.2.1'],
    tlsSans: [],
    bindAddress: '127.0.0.1',
    httpsListenPort: 0,
    kubeconfig: { mode: 0o600, group: undefined, name: 'default' },
    token: undefined,
  } as unknown as ClusterSettings;
  const part = new ApiServerPart({
    datastore,
    paths,
    settings,
    clock,
    logger,
    admission: () => options.admission ?? [],
    disabledAdmission: options.disabledAdmission,
    conversionWebhooks: options.conversionWebhooks,
    groups: options.groups,
    dialer: options.dialer,
    requestLimits: options.requestLimits,
    audit: options.audit && { settings: options.audit, endpoint: auditEndpoint },
    extensionClients: extensionClients(clock, logger),
  });
  await part.init();
  await part.start();
  await part.ready();
  return {
    part,
    kubeconfig,
    directory,
    async stop() {
      await part.stop();
      if (!options.sharedDatastore) await datastore.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
