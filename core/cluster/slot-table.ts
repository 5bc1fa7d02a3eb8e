import { slots } from '../plugin-api/slots.js';
import type { PreparedCluster } from './prepare-cluster.js';

export interface SlotRow {
  readonly slot: string;
  /** Undefined: empty. */
  readonly plugin: string | undefined;
  readonly origin: string;
  /** Who chose it, or why the slot is empty. */
  readonly reason: string;
}

/** Every slot and who holds it, as `k3s plugin list` shows it. */
export function slotTable({ selection, catalogue, sides }: PreparedCluster): SlotRow[] {
  const byId = new Map(catalogue.map(entry => [entry.descriptor.id, entry]));
  return slots.flatMap((slot): SlotRow[] => {
    const holders = selection.plugins.filter(({ id }) => byId.get(id)?.descriptor.slot === slot.id);
    if (holders.length > 0) {
      return holders.map(({ id, by }) => ({ slot: slot.id, plugin: id, origin: byId.get(id)!.origin, reason: by }));
    }
    const missing = selection.notBuilt.filter(wish => wish.slot === slot.id).map(wish => wish.plugin);
    const absent = slot.side !== 'both' && !sides[slot.side];
    const reason = absent ? `no ${slot.side} here` : missing.length > 0 ? `${missing.join(', ')} is not built yet` : 'empty';
    return [{ slot: slot.id, plugin: undefined, origin: '', reason }];
  });
}
