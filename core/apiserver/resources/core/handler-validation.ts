import type { HTTPGetAction, Lifecycle, LifecycleHandler, PodSpec, Probe, ProbeHandler } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import type { IntOrString } from '../../../machinery/int-or-string.js';
import { validateHttpHeaderName, validatePortName, validatePortNumber } from '../../../machinery/names.js';
import { addInvalid, nonNegative, required, supported } from './checks.js';

const probeCounts = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const;

const realTimeSignals = [
  'SIGRTMIN',
  ...Array.from({ length: 15 }, (_, index) => `SIGRTMIN+${index + 1}`),
  ...Array.from({ length: 14 }, (_, index) => `SIGRTMAX-${14 - index}`),
  'SIGRTMAX',
];
const linuxSignals = [
  ...'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ'
    .split(' ')
    .map(name => `SIG${name}`),
  ...realTimeSignals,
].sort();
const windowsSignals = ['SIGKILL', 'SIGTERM'];

export type ProbeUse = 'liveness' | 'readiness' | 'startup';

export function validateProbe(use: ProbeUse, probe: Probe | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!probe) return;
  validateHandler(probe, path, errors, undefined);
  for (const field of probeCounts) {
    const count = probe[field];
    if (count !== undefined && count < 0) nonNegative(errors, path.child(field), count);
  }
  const grace = probe.terminationGracePeriodSeconds;
  const gracePath = path.child('terminationGracePeriodSeconds');
  if (grace !== undefined && grace <= 0) errors.invalid(gracePath, grace, 'must be greater than 0');
  if (use === 'readiness') {
    if (grace !== undefined) errors.invalid(gracePath, grace, 'must not be set for readinessProbes');
  } else if (probe.successThreshold !== 1)
    errors.invalid(path.child('successThreshold'), probe.successThreshold ?? 0, 'must be 1');
}

export function validatePortNumberOrName(errors: FieldErrors, path: FieldPath, port: IntOrString): void {
  addInvalid(errors, path, port, typeof port === 'number' ? validatePortNumber(port) : validatePortName(port));
}

function validateHttpGet(action: HTTPGetAction, path: FieldPath, errors: FieldErrors): void {
  required(errors, path.child('path'), action.path);
  validatePortNumberOrName(errors, path.child('port'), action.port);
  if (action.scheme !== 'HTTP' && action.scheme !== 'HTTPS')
    supported(errors, path.child('scheme'), action.scheme, ['HTTP', 'HTTPS']);
  for (const { name } of action.httpHeaders ?? [])
    addInvalid(errors, path.child('httpHeaders'), name, validateHttpHeaderName(name));
}

/** `graceSeconds` bounds the sleep of a lifecycle's handler. */
function validateHandler(
  handler: ProbeHandler & LifecycleHandler,
  path: FieldPath,
  errors: FieldErrors,
  graceSeconds: number | undefined,
): void {
  let handlers = 0;
  const first = (field: string): boolean => {
    if (handlers++ === 0) return true;
    errors.forbidden(path.child(field), 'may not specify more than 1 handler type');
    return false;
  };
  if (handler.exec && first('exec') && !handler.exec.command?.length) errors.required(path.child('exec', 'command'));
  if (handler.httpGet && first('httpGet')) validateHttpGet(handler.httpGet, path.child('httpGet'), errors);
  if (handler.tcpSocket && first('tcpSocket'))
    validatePortNumberOrName(errors, path.child('tcpSocket', 'port'), handler.tcpSocket.port);
  if (handler.grpc && first('grpc')) validatePortNumberOrName(errors, path.child('grpc', 'port'), handler.grpc.port);
  if (handler.sleep && first('sleep') && graceSeconds !== undefined) {
    const { seconds } = handler.sleep;
    if (seconds < 0 || seconds > graceSeconds) {
      errors.invalid(
        path.child('sleep'),
        seconds,
        `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`,
      );
    }
  }
  if (handlers === 0) errors.required(path, 'must specify a handler type');
}

export function validateLifecycle(lifecycle: Lifecycle, spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  const grace = spec.terminationGracePeriodSeconds;
  if (lifecycle.postStart) validateHandler(lifecycle.postStart, path.child('postStart'), errors, grace);
  if (lifecycle.preStop) validateHandler(lifecycle.preStop, path.child('preStop'), errors, grace);
  if (lifecycle.stopSignal === undefined) return;
  const at = path.child('stopSignal');
  if (!spec.os) errors.forbidden(at, 'may not be set for containers with empty `spec.os.name`');
  else if (spec.os.name === 'windows') supported(errors, at, lifecycle.stopSignal, windowsSignals);
  else if (spec.os.name === 'linux') supported(errors, at, lifecycle.stopSignal, linuxSignals);
}
