import type { AuditMode, AuditSettings } from '../../apiserver/audit/audit-settings.js';
import type { LogFormat } from '../../apiserver/audit/log-backend.js';
import type { ArgumentTable } from '../../plugin-api/component-arguments.js';
import { anyDurationMs, fraction, integer, truth } from './argument-values.js';
import { works } from './component-arguments.js';

/** What is said of one backend. */
interface BackendDraft {
  mode?: string;
  bufferSize?: number;
  maxBatchSize?: number;
  maxBatchWaitMs?: number;
  throttle?: boolean;
  perSecond?: number;
  burst?: number;
  truncate?: boolean;
  maxBatchBytes?: number;
  maxEventBytes?: number;
  version?: string;
}

/** What the arguments said, before it is one whole. */
export interface AuditDraft {
  policyFile?: string;
  log?: BackendDraft & {
    path?: string;
    format?: string;
    maxAgeDays?: number;
    maxBackups?: number;
    maxSizeMegabytes?: number;
    compress?: boolean;
  };
  webhook?: BackendDraft & { configFile?: string; initialBackoffMs?: number };
}

interface Target {
  audit?: AuditDraft;
}

const megabyte = 1024 * 1024;
const modes: readonly string[] = ['batch', 'blocking', 'blocking-strict'];
const formats: readonly string[] = ['legacy', 'json'];
const version = 'audit.k8s.io/v1';

type LogDraft = NonNullable<AuditDraft['log']>;
type WebhookDraft = NonNullable<AuditDraft['webhook']>;

const audit = (target: Target): AuditDraft => (target.audit ??= {});
const log = (target: Target): LogDraft => (audit(target).log ??= {});
const webhook = (target: Target): WebhookDraft => (audit(target).webhook ??= {});
const sent = 'of the audit webhook';
const written = 'of the audit log';

/** Arguments of the API server about its audit, one sorted line an entry. Source: apiserver pkg/server/options/audit.go. */
// prettier-ignore
export const auditArguments: ArgumentTable<Target> = {
  'audit-log-batch-buffer-size': works(`how many events wait, in the mode batch ${written}`, (value, target) => { log(target).bufferSize = integer(value); }),
  'audit-log-batch-max-size': works(`how many events are written at once, in the mode batch ${written}`, (value, target) => { log(target).maxBatchSize = integer(value); }),
  'audit-log-batch-max-wait': works(`how long events wait for others, in the mode batch ${written}`, (value, target) => { log(target).maxBatchWaitMs = anyDurationMs(value); }),
  'audit-log-batch-throttle-burst': works(`batches at once, in the mode batch ${written} with throttling`, (value, target) => { log(target).burst = integer(value); }),
  'audit-log-batch-throttle-enable': works(`whether batches are throttled, in the mode batch ${written}`, (value, target) => { log(target).throttle = truth(value); }),
  'audit-log-batch-throttle-qps': works(`batches a second, in the mode batch ${written} with throttling`, (value, target) => { log(target).perSecond = fraction(value); }),
  'audit-log-compress': works('whether old audit logs are compressed', (value, target) => { log(target).compress = truth(value); }),
  'audit-log-format': works('json (as without it) or legacy', (value, target) => { log(target).format = value; }),
  'audit-log-maxage': works('days for which old audit logs are kept', (value, target) => { log(target).maxAgeDays = integer(value); }),
  'audit-log-maxbackup': works('how many old audit logs are kept', (value, target) => { log(target).maxBackups = integer(value); }),
  'audit-log-maxsize': works('megabytes after which a new audit log is begun', (value, target) => { log(target).maxSizeMegabytes = integer(value); }),
  'audit-log-mode': works('blocking (as without it), blocking-strict or batch', (value, target) => { log(target).mode = value; }),
  'audit-log-path': works('the file of the audit log; - for the output of the process', (value, target) => { log(target).path = value; }),
  'audit-log-truncate-enabled': works(`whether large events ${written} lose their bodies`, (value, target) => { log(target).truncate = truth(value); }),
  'audit-log-truncate-max-batch-size': works(`bytes of a batch ${written}, where events are truncated`, (value, target) => { log(target).maxBatchBytes = integer(value); }),
  'audit-log-truncate-max-event-size': works(`bytes of an event ${written}, where events are truncated`, (value, target) => { log(target).maxEventBytes = integer(value); }),
  'audit-log-version': works(`${version}, the only one`, (value, target) => { log(target).version = value; }),
  'audit-policy-file': works('the file that says what is audited; without it nothing is', (value, target) => { audit(target).policyFile = value; }),
  'audit-webhook-batch-buffer-size': works(`how many events ${sent} wait`, (value, target) => { webhook(target).bufferSize = integer(value); }),
  'audit-webhook-batch-initial-backoff': works('the former name of audit-webhook-initial-backoff', (value, target) => { webhook(target).initialBackoffMs = anyDurationMs(value); }),
  'audit-webhook-batch-max-size': works(`how many events ${sent} are sent at once`, (value, target) => { webhook(target).maxBatchSize = integer(value); }),
  'audit-webhook-batch-max-wait': works(`how long events ${sent} wait for others`, (value, target) => { webhook(target).maxBatchWaitMs = anyDurationMs(value); }),
  'audit-webhook-batch-throttle-burst': works(`batches ${sent} at once`, (value, target) => { webhook(target).burst = integer(value); }),
  'audit-webhook-batch-throttle-enable': works(`whether batches ${sent} are throttled`, (value, target) => { webhook(target).throttle = truth(value); }),
  'audit-webhook-batch-throttle-qps': works(`batches ${sent} a second`, (value, target) => { webhook(target).perSecond = fraction(value); }),
  'audit-webhook-config-file': works('a kubeconfig that says where events are sent', (value, target) => { webhook(target).configFile = value; }),
  'audit-webhook-initial-backoff': works(`how long it takes to the second try ${sent}`, (value, target) => { webhook(target).initialBackoffMs = anyDurationMs(value); }),
  'audit-webhook-mode': works('batch, as without it; requests that wait for a webhook are not built', readWebhookMode),
  'audit-webhook-truncate-enabled': works(`whether large events ${sent} lose their bodies`, (value, target) => { webhook(target).truncate = truth(value); }),
  'audit-webhook-truncate-max-batch-size': works(`bytes of a batch ${sent}, where events are truncated`, (value, target) => { webhook(target).maxBatchBytes = integer(value); }),
  'audit-webhook-truncate-max-event-size': works(`bytes of an event ${sent}, where events are truncated`, (value, target) => { webhook(target).maxEventBytes = integer(value); }),
  'audit-webhook-version': works(`${version}, the only one`, (value, target) => { webhook(target).version = value; }),
};

function readWebhookMode(value: string, target: Target): void {
  if (value === 'blocking' || value === 'blocking-strict')
    throw new Error('needs requests that wait for a webhook, which this version does not build');
  webhook(target).mode = value;
}

/** The whole of what was said; `fault` is told what is wrong with it, in upstream's words. Undefined: no audit. */
export function auditSettings(draft: AuditDraft | undefined, fault: (text: string) => void): AuditSettings | undefined {
  if (!draft) return undefined;
  const { policyFile } = draft;
  const settings = {
    policyFile: policyFile === '' ? undefined : policyFile,
    log: draft.log?.path ? logSettings(draft.log, draft.log.path, fault) : undefined,
    webhook: draft.webhook?.configFile ? webhookSettings(draft.webhook, draft.webhook.configFile, fault) : undefined,
  };
  return settings.log || settings.webhook || settings.policyFile !== undefined ? settings : undefined;
}

function logSettings(draft: LogDraft, path: string, fault: (text: string) => void): AuditSettings['log'] {
  const {
    mode = 'blocking',
    format = 'json',
    maxAgeDays = 366,
    maxBackups = 100,
    maxSizeMegabytes = 100,
    compress = false,
  } = draft;
  if (!modes.includes(mode)) fault(`invalid audit log mode ${mode}, allowed modes are "${modes.join()}"`);
  const shared = backendSettings('log', { maxBatchSize: 1, maxBatchWaitMs: 0, throttle: false, ...draft, mode }, fault);
  if (!formats.includes(format)) fault(`invalid audit log format ${format}, allowed formats are "${formats.join()}"`);
  const limits = { 'audit-log-maxage': maxAgeDays, 'audit-log-maxbackup': maxBackups, 'audit-log-maxsize': maxSizeMegabytes };
  for (const [name, value] of Object.entries(limits)) if (value < 0) fault(`--${name} ${value} can't be a negative number`);
  return {
    path,
    format: format as LogFormat,
    mode: mode as AuditMode,
    rotation: { maxSizeBytes: maxSizeMegabytes * megabyte, maxBackups, maxAgeDays, compress },
    ...shared,
  };
}

function webhookSettings(draft: WebhookDraft, configFile: string, fault: (text: string) => void): AuditSettings['webhook'] {
  const { mode = 'batch', initialBackoffMs = 10_000 } = draft;
  if (!modes.includes(mode)) fault(`invalid audit webhook mode ${mode}, allowed modes are "${modes.join()}"`);
  const shared = backendSettings('webhook', { maxBatchSize: 400, maxBatchWaitMs: 30_000, throttle: true, ...draft, mode }, fault);
  return { configFile, initialBackoffMs, ...shared };
}

function backendSettings(
  name: 'log' | 'webhook',
  draft: BackendDraft & Required<Pick<BackendDraft, 'maxBatchSize' | 'maxBatchWaitMs' | 'mode'>>,
  fault: (text: string) => void,
): Pick<NonNullable<AuditSettings['log']>, 'batch' | 'truncate'> {
  const { bufferSize = 10_000, maxBatchSize, maxBatchWaitMs, throttle = false } = draft;
  // Upstream's numbers, but for the log, whose own are 0: with them it would not start.
  const { perSecond = name === 'webhook' ? 10 : 0, burst = name === 'webhook' ? 15 : 0 } = draft;
  const { maxBatchBytes = 10 * megabyte, maxEventBytes = 100 * 1024 } = draft;
  const positive = (what: string, value: number): void => {
    if (value <= 0) fault(`invalid audit batch ${name} ${what} ${value}, must be a positive number`);
  };
  if (draft.mode === 'batch') {
    positive('buffer size', bufferSize);
    positive('max batch size', maxBatchSize);
    if (throttle) {
      positive('throttle QPS', perSecond);
      positive('throttle burst', burst);
    }
  }
  if (maxEventBytes <= 0) fault(`invalid audit truncate ${name} max event size ${maxEventBytes}, must be a positive number`);
  if (maxBatchBytes < maxEventBytes) {
    const text = `must be greater than max event size (${maxEventBytes})`;
    fault(`invalid audit truncate ${name} max batch size ${maxBatchBytes}, ${text}`);
  }
  if ((draft.version ?? version) !== version) fault(`invalid group version, allowed versions are ["${version}"]`);
  return {
    batch: { bufferSize, maxBatchSize, maxBatchWaitMs, throttle: throttle ? { perSecond, burst } : undefined },
    truncate: draft.truncate ? { maxBatchBytes, maxEventBytes } : undefined,
  };
}
