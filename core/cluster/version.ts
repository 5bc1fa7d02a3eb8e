/** The Kubernetes release whose API is served, as `/version` and nodes tell it. */
export const kubernetesVersion = 'v1.36.3+k3s1';
