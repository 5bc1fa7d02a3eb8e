import { ContainerModule } from 'inversify';
import { Part } from '../contracts/part.js';
import type { PartDescriptor } from '../plugin-api/descriptor.js';
import { definePlugin } from '../plugin-api/descriptor.js';
import type { SlotDefinition } from '../plugin-api/slots.js';
import { planWiring } from './wiring.js';
import type { CatalogueEntry, WiringPlan } from './wiring.js';

/** Slots and parts for this room's tests. */
export const fakeSlots: readonly SlotDefinition[] = [
  { id: 'store', contract: 1, side: 'server', cardinality: 'one', vital: true, bindsContract: false, summary: 'store' },
  { id: 'api', contract: 1, side: 'server', cardinality: 'optional', vital: true, bindsContract: false, summary: 'api' },
  { id: 'network', contract: 2, side: 'node', cardinality: 'optional', vital: false, bindsContract: true, summary: 'network' },
  { id: 'loops', contract: 1, side: 'both', cardinality: 'many', vital: false, bindsContract: false, summary: 'loops' },
];

export function fakePart(id: string, slot: string, part: Part = {}, more: Partial<PartDescriptor> = {}): CatalogueEntry {
  const contract = fakeSlots.find(definition => definition.id === slot)?.contract ?? 1;
  const module = new ContainerModule(({ bind }) => void bind(Part).toConstantValue(part));
  return { descriptor: definePlugin({ id, slot, contract, load: async () => ({ module }), ...more }), origin: 'test' };
}

export function planOf(...catalogue: CatalogueEntry[]): WiringPlan {
  const selection = catalogue.map(({ descriptor }) => ({ id: descriptor.id, by: 'test' }));
  return planWiring({ slots: fakeSlots, catalogue, selection, sides: { server: true, node: true } });
}

/** A part whose phases write their names to `log`. */
export function loggingPart(id: string, log: string[], part: Part = {}): Part {
  const phases = ['init', 'start', 'ready', 'drain', 'stop'] as const;
  const result: Part = {};
  for (const phase of phases) {
    result[phase] = async signal => {
      log.push(`${id}.${phase}`);
      await part[phase]?.(signal);
    };
  }
  return result;
}
