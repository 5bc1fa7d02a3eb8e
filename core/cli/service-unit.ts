import { nodeEnvironment, nodeFlags } from './node-flags.js';

export interface ServiceOptions {
  /** The pinned Node and the program: systemd's main process must be the server itself, not a launcher. */
  readonly node: string;
  readonly main: string;
  readonly environmentFile: string;
  /** Flags of `k3s server`. */
  readonly arguments: readonly string[];
}

/** By this word a unit is known as ours. */
export const serviceMark = 'k3s-ts';

/** The systemd unit of a server. Sources: systemd.service(5), systemd.exec(5); the settings are those of K3s' own unit. */
export function serviceUnit({ node, main, environmentFile, arguments: argumentList }: ServiceOptions): string {
  const command = [node, ...nodeFlags, main, 'server', ...argumentList].map(quoteForUnit).join(' ');
  const environment = Object.entries(nodeEnvironment).map(([name, value]) => `Environment=${name}=${value}`);
  return `[Unit]
Description=Kubernetes in one process (${serviceMark})
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=notify
NotifyAccess=all
SyslogIdentifier=k3s
${environment.join('\n')}
EnvironmentFile=-${environmentFile.replaceAll('%', '%%')}
KillMode=process
Delegate=yes
User=root
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=${command}
`;
}

/** One word of an ExecStart line: `%` and `$` mean something there, also within quotes. */
function quoteForUnit(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  if (/^[\w@+=:,./%$-]+$/.test(escaped)) return escaped;
  return `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

const handedOn = /^(K3S_|CONTAINERD_)|^(http_proxy|https_proxy|no_proxy|HTTP_PROXY|HTTPS_PROXY|NO_PROXY|XDG_CACHE_HOME|HOME)$/;

/** The environment file: what a user gave to `k3s service install` and what the server reads. It may hold tokens. */
export function serviceEnvironment(environment: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(environment)
    .filter(([name, value]) => handedOn.test(name) && value !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => `${name}="${value!.replaceAll(/["\\$`]/g, '\\$&')}"\n`)
    .join('');
}
