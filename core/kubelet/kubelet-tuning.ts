import type { Threshold } from './eviction/signals.js';

/** What `--kubelet-arg` changes; what is absent stays as K3s has it. */
export interface KubeletTuning {
  readonly clusterDns?: readonly string[];
  readonly clusterDomain?: string;
  /** Percentages of the disk above which images go, and down to which. */
  readonly imageHighPercent?: number;
  readonly imageLowPercent?: number;
  /** An unused image stays at least so long. */
  readonly imageMinimumAgeMs?: number;
  readonly evictionThresholds?: readonly Threshold[];
  /** A pressure condition stays so long after it was last true. */
  readonly evictionTransitionMs?: number;
  readonly logMaximumBytes?: number;
  readonly logMaximumFiles?: number;
  readonly maximumPods?: number;
  /** Port of the kubelet's HTTPS API. */
  readonly port?: number;
  /** Kernel settings that differ from the kubelet's are refused instead of set. */
  readonly protectKernelDefaults?: boolean;
  /** Kept from pods, by resource: what `kube-reserved` and `system-reserved` add up to. CPU in cores, else bytes. */
  readonly reserved?: Readonly<Record<string, number>>;
  /** Instead of the host's resolv.conf. */
  readonly resolvConf?: string;
  readonly statusPeriodMs?: number;
  /** Names, or beginnings that end in `*`, of sysctls that pods may set beside the safe ones. */
  readonly unsafeSysctls?: readonly string[];
}
