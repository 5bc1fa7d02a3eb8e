import { ContainerModule, Part } from 'k3s-ts/plugin';
import { TemplateClusterDns } from './template-cluster-dns.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).to(TemplateClusterDns);
});
