import { noEffect, readArguments, refused, why } from './component-arguments.js';
import type { ArgumentComponent, ArgumentFindings } from './component-arguments.js';

/** Arguments of the scheduler, one sorted line an entry; what is not in here is refused. Source: kube-scheduler's options. */
// prettier-ignore
export const schedulerArguments: ArgumentComponent<object> = {
  flag: 'kube-scheduler-arg',
  name: 'the scheduler',
  table: {
    'alsologtostderr': noEffect(why.log),
    'authentication-kubeconfig': noEffect(why.listener),
    'authentication-skip-lookup': noEffect(why.listener),
    'authorization-always-allow-paths': noEffect(why.listener),
    'authorization-kubeconfig': noEffect(why.listener),
    'bind-address': noEffect(why.listener),
    'cert-dir': noEffect(why.listener),
    'client-ca-file': noEffect(why.listener),
    'config': refused('profiles of the scheduler, which this version does not build; a plugin in the slot scheduler-plugins adds filters and scores'),
    'contention-profiling': noEffect(why.profiling),
    'feature-gates': noEffect(why.features),
    'kube-api-burst': noEffect(why.rates),
    'kube-api-content-type': noEffect('calls inside the process are not encoded'),
    'kube-api-qps': noEffect(why.rates),
    'kubeconfig': refused('a scheduler of another cluster'),
    'leader-elect': noEffect(why.election),
    'leader-elect-lease-duration': noEffect(why.election),
    'leader-elect-renew-deadline': noEffect(why.election),
    'leader-elect-resource-lock': noEffect(why.election),
    'leader-elect-resource-name': noEffect(why.election),
    'leader-elect-resource-namespace': noEffect(why.election),
    'leader-elect-retry-period': noEffect(why.election),
    'logging-format': noEffect(why.log),
    'master': refused('a scheduler of another cluster'),
    'pod-max-in-unschedulable-pods-duration': noEffect('pods are tried again when something changes'),
    'profiling': noEffect(why.profiling),
    'secure-port': noEffect(why.listener),
    'show-hidden-metrics-for-version': noEffect(why.listener),
    'tls-cert-file': noEffect(why.listener),
    'tls-cipher-suites': noEffect(why.listener),
    'tls-min-version': noEffect(why.listener),
    'tls-private-key-file': noEffect(why.listener),
    'v': noEffect(why.log),
    'vmodule': noEffect(why.log),
  },
};

export function schedulerTuning(given: readonly string[], source?: string): ArgumentFindings {
  return readArguments(schedulerArguments, given, {}, source);
}
