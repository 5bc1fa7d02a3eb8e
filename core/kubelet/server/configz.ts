import { binaryText, thresholds as defaultThresholds } from '../eviction/signals.js';
import type { KubeletSettings } from '../kubelet-context.js';

/** `/configz`: what this kubelet keeps to, in upstream's words. Source: kubelet/config/v1beta1 KubeletConfiguration. */
export function kubeletConfiguration(settings: KubeletSettings): object {
  const thresholds = settings.tuning?.evictionThresholds ?? defaultThresholds;
  const percent = (fraction: number): string => `${Math.round(fraction * 100)}%`;
  return {
    kubeletconfig: {
      kind: 'KubeletConfiguration',
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      port: settings.port,
      staticPodPath: settings.podManifestsDir,
      podLogsDir: settings.podLogsDir,
      clusterDomain: settings.clusterDomain,
      clusterDNS: settings.clusterDns,
      maxPods: settings.maximumPods,
      cgroupDriver: 'cgroupfs',
      cgroupRoot: settings.cgroupRoot || '/',
      evictionHard: Object.fromEntries(
        thresholds.map(({ signal, limit }) => [signal, 'bytes' in limit ? binaryText(limit.bytes) : percent(limit.fraction)]),
      ),
      evictionMinimumReclaim: Object.fromEntries(
        thresholds.flatMap(({ signal, minimumReclaim }) =>
          minimumReclaim === undefined ? [] : [[signal, percent(minimumReclaim)]],
        ),
      ),
      imagePullCredentialsVerificationPolicy: 'NeverVerifyPreloadedImages',
      seccompDefault: false,
    },
  };
}
