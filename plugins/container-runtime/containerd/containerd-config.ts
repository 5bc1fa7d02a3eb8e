import { readFile, writeFile } from 'node:fs/promises';

export interface ContainerdSettings {
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  readonly snapshotter: string;
  readonly sandboxImage: string;
  readonly runc: string;
  readonly cniBinaryDirectory: string;
  readonly cniConfigurationDirectory: string;
  /** Folder of `hosts.toml` files. */
  readonly registryDirectory: string;
  readonly restrictOomScoreAdjust: boolean;
}

/**
 * The configuration of containerd 1.6 (`version = 2`). Everything that lies outside of `root` and `state` is named, so that nothing
 * of another containerd on the machine is touched.
 */
export function containerdConfig(settings: ContainerdSettings): string {
  const text = (value: string): string => JSON.stringify(value);
  const cri = '"io.containerd.grpc.v1.cri"';
  return `# Written by k3s at every start. Changes are lost.
version = 2
root = ${text(settings.root)}
state = ${text(settings.state)}
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = ${text(settings.socket)}

[ttrpc]
  address = ${text(`${settings.socket}.ttrpc`)}

[plugins."io.containerd.internal.v1.opt"]
  path = ${text(`${settings.root}/opt`)}

[plugins.${cri}]
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  sandbox_image = ${text(settings.sandboxImage)}
  restrict_oom_score_adj = ${settings.restrictOomScoreAdjust}
  enable_cdi = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true
  max_container_log_line_size = 16384

[plugins.${cri}.cni]
  bin_dir = ${text(settings.cniBinaryDirectory)}
  conf_dir = ${text(settings.cniConfigurationDirectory)}

[plugins.${cri}.registry]
  config_path = ${text(settings.registryDirectory)}

[plugins.${cri}.containerd]
  snapshotter = ${text(settings.snapshotter)}
  disable_snapshot_annotations = true
  default_runtime_name = "runc"

[plugins.${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins.${cri}.containerd.runtimes.runc.options]
  BinaryName = ${text(settings.runc)}
  Root = ${text(`${settings.state}/runc`)}
  SystemdCgroup = false
`;
}

/** Whether the kernel refuses this process what pods of high priority ask for: a lower score than its own. */
export async function mustRestrictOomScoreAdjust(): Promise<boolean> {
  const file = '/proc/self/oom_score_adj';
  const own = Number((await readFile(file, 'utf8')).trim());
  if (own <= -1000) return false;
  try {
    await writeFile(file, String(Math.max(-1000, own - 1)));
  } catch {
    return true;
  }
  await writeFile(file, String(own));
  return false;
}
