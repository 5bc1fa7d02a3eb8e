import { ContainerModule, ContainerRuntime, Part } from 'k3s-ts/plugin';
import { TemplateContainerRuntime } from './template-container-runtime.js';

export const module = new ContainerModule(({ bind }) => {
  bind(ContainerRuntime).toResolvedValue(() => new TemplateContainerRuntime());
  bind(Part).toService(ContainerRuntime);
});
