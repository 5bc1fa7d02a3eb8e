import { ContainerModule, Part } from 'k3s-ts/plugin';
import { TemplateLoadBalancer } from './template-load-balancer.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).to(TemplateLoadBalancer);
});
