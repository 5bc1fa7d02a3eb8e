import { ContainerModule, Part } from 'k3s-ts/plugin';
import { TemplateIngress } from './template-ingress.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).to(TemplateIngress);
});
