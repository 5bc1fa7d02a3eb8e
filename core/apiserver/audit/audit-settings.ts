import type { Clock } from '../../base/clock.js';
import { CodedError, errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { AuditBackend } from './audit-backend.js';
import { UnionBackend } from './audit-backend.js';
import type { AuditMetrics } from './audit-metrics.js';
import { AuditPolicy } from './audit-policy.js';
import { readPolicyFile } from './audit-policy-file.js';
import { Auditor } from './auditor.js';
import type { BatchSettings } from './buffered-backend.js';
import { BufferedBackend } from './buffered-backend.js';
import type { LogFormat, LogOutput } from './log-backend.js';
import { ForgivingBackend, LogBackend } from './log-backend.js';
import type { RotationLimits } from './rotating-file.js';
import { RotatingFile } from './rotating-file.js';
import type { TruncateSettings } from './truncating-backend.js';
import { TruncatingBackend } from './truncating-backend.js';
import type { AuditEndpoint } from './webhook-sender.js';
import { WebhookSender } from './webhook-sender.js';

export type AuditMode = 'batch' | 'blocking' | 'blocking-strict';

export interface AuditLogSettings {
  /** `-`: the process's output. */
  readonly path: string;
  readonly format: LogFormat;
  readonly rotation: RotationLimits;
  readonly mode: AuditMode;
  readonly batch: BatchSettings;
  readonly truncate: TruncateSettings | undefined;
}

export interface AuditWebhookSettings {
  /** A kubeconfig: where the events go, and as whom. */
  readonly configFile: string;
  readonly initialBackoffMs: number;
  readonly batch: BatchSettings;
  readonly truncate: TruncateSettings | undefined;
}

/** What is written of requests, and where to. */
export interface AuditSettings {
  readonly policyFile: string | undefined;
  readonly log: AuditLogSettings | undefined;
  readonly webhook: AuditWebhookSettings | undefined;
}

export interface AuditSurroundings {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AuditMetrics;
  /** Reads the kubeconfig. Rejects where it is no good. */
  readonly endpoint: (configFile: string) => Promise<AuditEndpoint>;
}

/**
 * Undefined where nothing would be written. Rejects AUDIT_POLICY, AUDIT_LOG or AUDIT_WEBHOOK for files that are no good.
 * Source: apiserver pkg/server/options/audit.go.
 */
export async function openAudit(settings: AuditSettings, surroundings: AuditSurroundings): Promise<Auditor | undefined> {
  const { logger, metrics, clock } = surroundings;
  const { policyFile, log, webhook } = settings;
  const read = policyFile === undefined ? undefined : await readPolicyFile(policyFile);
  if (read?.warning) logger.warn('the audit policy has faults that are passed over', { file: policyFile, fault: read.warning });
  const backends: AuditBackend[] = [];
  if (log) backends.push(openLog(log, surroundings));
  if (!read) {
    if (log || webhook) logger.warn('nothing is audited without a policy: name its file with audit-policy-file');
    await Promise.all(backends.map(backend => backend.stop()));
    return undefined;
  }
  if (webhook) backends.push(await openWebhook(webhook, surroundings));
  if (backends.length === 0) return undefined;
  const backend = backends.length === 1 ? backends[0]! : new UnionBackend(backends);
  return new Auditor({ policy: new AuditPolicy(read.policy), backend, metrics, clock });
}

function openLog(settings: AuditLogSettings, { clock, logger, metrics }: AuditSurroundings): AuditBackend {
  const { path, format, rotation, mode, batch, truncate } = settings;
  const file = path === '-' ? undefined : new RotatingFile({ path, ...rotation, clock, logger });
  try {
    file?.prepare();
  } catch (error) {
    throw new CodedError('AUDIT_LOG', `the audit log ${path} cannot be written: ${errorText(error)}`, {
      cause: error,
      mend: 'name another file with audit-log-path',
    });
  }
  const log = new LogBackend({ output: file ?? standardOutput, format, metrics });
  const backend =
    mode === 'batch'
      ? new BufferedBackend({ ...batch, receiver: log, clock, metrics })
      : mode === 'blocking'
        ? new ForgivingBackend(log)
        : log;
  return truncated(backend, truncate, metrics);
}

async function openWebhook(
  { configFile, initialBackoffMs, batch, truncate }: AuditWebhookSettings,
  { clock, metrics, endpoint: open }: AuditSurroundings,
): Promise<AuditBackend> {
  let endpoint: AuditEndpoint;
  try {
    endpoint = await open(configFile);
  } catch (error) {
    throw new CodedError('AUDIT_WEBHOOK', `initializing audit webhook: ${configFile}: ${errorText(error)}`, {
      cause: error,
      mend: 'correct the file that audit-webhook-config-file names',
    });
  }
  const receiver = new WebhookSender({ endpoint, initialBackoffMs, clock, metrics });
  return truncated(new BufferedBackend({ ...batch, receiver, clock, metrics }), truncate, metrics);
}

function truncated(inner: AuditBackend, truncate: TruncateSettings | undefined, metrics: AuditMetrics): AuditBackend {
  return truncate ? new TruncatingBackend({ ...truncate, inner, metrics }) : inner;
}

const standardOutput: LogOutput = {
  write: line => void process.stdout.write(line),
  close: async () => undefined,
};
