import { ContainerModule, Part } from 'k3s-ts/plugin';
import { AddressPool } from './address-pool.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).to(AddressPool);
});
