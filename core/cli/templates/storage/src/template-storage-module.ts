import { ContainerModule, Part } from 'k3s-ts/plugin';
import { TemplateStorage } from './template-storage.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).to(TemplateStorage);
});
