import type { Clock } from '../../base/clock.js';
import type { DraHealthDeviceHealth } from '../extensions/generated/wire-tables.js';

export interface DeviceHealth {
  readonly health: 'Healthy' | 'Unhealthy' | 'Unknown';
  readonly message: string;
}

interface Told extends DeviceHealth {
  readonly untilMs: number;
}

const defaultTimeoutMs = 30_000;
const longestMessageBytes = 1024;
const unknown: DeviceHealth = { health: 'Unknown', message: '' };
const words = { HEALTHY: 'Healthy', UNHEALTHY: 'Unhealthy', UNKNOWN: 'Unknown' } as const;

/**
 * How the devices of drivers are, as they said lately: what was said long ago is unknown. Source: cm/dra/healthinfo.go. Not kept over
 * restarts: drivers say it again.
 */
export class DeviceHealthTable {
  readonly #clock: Clock;
  readonly #drivers = new Map<string, Map<string, Told>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(driver: string, pool: string, device: string): DeviceHealth {
    const told = this.#drivers.get(driver)?.get(`${pool}/${device}`);
    return told && told.untilMs >= this.#clock.now() ? told : unknown;
  }

  /** Resolves the devices, `POOL/DEVICE`, that are otherwise than before. Undefined: the driver says nothing any more. */
  update(driver: string, list: readonly DraHealthDeviceHealth[] | undefined): Set<string> {
    const before = this.#drivers.get(driver) ?? new Map<string, Told>();
    if (!list) {
      this.#drivers.delete(driver);
      return new Set(before.keys());
    }
    const now = this.#clock.now();
    const changed = new Set<string>();
    const after = new Map(before);
    for (const { device, health = 'UNKNOWN', healthCheckTimeoutSeconds = 0, message = '' } of list) {
      const key = `${device?.poolName ?? ''}/${device?.deviceName ?? ''}`;
      const timeoutMs = healthCheckTimeoutSeconds > 0 ? healthCheckTimeoutSeconds * 1000 : defaultTimeoutMs;
      const told = { health: words[health], message: shortened(message), untilMs: now + timeoutMs };
      const known = before.get(key);
      if (known?.health !== told.health || known.message !== told.message) changed.add(key);
      after.set(key, told);
    }
    for (const [key, { untilMs }] of after) {
      if (untilMs >= now) continue;
      after.delete(key);
      changed.add(key);
    }
    this.#drivers.set(driver, after);
    return changed;
  }
}

function shortened(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= longestMessageBytes) return message;
  // A letter of several bytes may have been cut through.
  return `${bytes.toString('utf8', 0, longestMessageBytes - 3).replace(/\uFFFD+$/, '')}...`;
}
