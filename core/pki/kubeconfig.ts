export interface KubeconfigOptions {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  /** The authority that signed the server's certificate. */
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
  /** Name of cluster, user and context; K3s and kubectl users expect `default`. */
  readonly name?: string;
}

/** A kubeconfig as K3s writes it to `/etc/rancher/k3s/k3s.yaml`: one cluster, user and context, all data inline. */
export function kubeconfigYaml(options: KubeconfigOptions): string {
  const name = yamlText(options.name ?? 'default');
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${base64(options.caPem)}
    server: ${yamlText(options.server)}
  name: ${name}
contexts:
- context:
    cluster: ${name}
    user: ${name}
  name: ${name}
current-context: ${name}
kind: Config
users:
- name: ${name}
  user:
    client-certificate-data: ${base64(options.certPem)}
    client-key-data: ${base64(options.keyPem)}
`;
}

/** Plain where YAML reads it back unchanged, else a JSON string, which is YAML too. */
function yamlText(text: string): string {
  const isPlain = /^[A-Za-z][A-Za-z0-9._-]*$/.test(text) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text);
  return isPlain || /^https:\/\/[A-Za-z0-9.:[\]-]+$/.test(text) ? text : JSON.stringify(text);
}
