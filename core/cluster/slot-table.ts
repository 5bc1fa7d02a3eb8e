import { errorText } from '../base/errors.js';
import type { PartState, PartStatus } from '../kernel/part-status.js';
import { slots } from '../plugin-api/slots.js';
import type { PreparedCluster } from './prepare-cluster.js';
import { hideSecrets } from './secrets.js';

/** One slot and its holder, as `k3s plugin list -o json` shows it; a slot with several holders has a row for each. */
export interface SlotRow {
  readonly slot: string;
  /** Null: the slot is empty. */
  readonly plugin: string | null;
  readonly version: string | null;
  /** `built-in`, or the package or path that it came from. */
  readonly origin: string | null;
  /** Who chose it, or why the slot is empty. */
  readonly reason: string;
  readonly state: PartState | 'empty' | 'not running';
  /** Wall time of the last change of state, RFC 3339. */
  readonly since: string | null;
  /** What its own start took; null before it was ready. */
  readonly startMs: number | null;
  readonly restarts: number;
  readonly error: string | null;
}

const idle = { since: null, startMs: null, restarts: 0, error: null } as const;

/** Every slot and who holds it. With `statuses`: as these parts of a kernel are now. */
export function slotTable(prepared: PreparedCluster, statuses: readonly PartStatus[] = []): SlotRow[] {
  const { selection, catalogue, sides } = prepared;
  const byId = new Map(catalogue.map(entry => [entry.descriptor.id, entry]));
  const statusById = new Map(statuses.map(status => [status.id, status]));
  return slots.flatMap((slot): SlotRow[] => {
    const holders = selection.plugins.filter(({ id }) => byId.get(id)?.descriptor.slot === slot.id);
    if (holders.length > 0) {
      return holders.map(({ id, by }): SlotRow => {
        const { origin, version = null } = byId.get(id)!;
        const own = { slot: slot.id, plugin: id, version, origin, reason: by };
        const status = statusById.get(id);
        return status ? { ...own, ...running(status, prepared) } : { ...own, state: 'not running', ...idle };
      });
    }
    const missing = selection.notBuilt.filter(wish => wish.slot === slot.id).map(wish => wish.plugin);
    const absent = slot.side !== 'both' && !sides[slot.side];
    const reason = absent ? `no ${slot.side} here` : missing.length > 0 ? `${missing.join(', ')} is not built yet` : 'empty';
    return [{ slot: slot.id, plugin: null, version: null, origin: null, reason, state: 'empty', ...idle }];
  });
}

function running(
  { state, sinceMs, tookMs, readyAfterMs, restarts, error }: PartStatus,
  { secrets }: PreparedCluster,
): Pick<SlotRow, 'state' | 'since' | 'startMs' | 'restarts' | 'error'> {
  return {
    state,
    since: new Date(sinceMs).toISOString(),
    // Before it was ready once, it is what its `init` took.
    startMs: tookMs === undefined || readyAfterMs === undefined ? null : Math.round(tookMs),
    restarts,
    error: error === undefined ? null : hideSecrets(errorText(error).replaceAll(/\s*\n\s*/g, ' '), secrets),
  };
}
