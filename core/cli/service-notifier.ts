import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SystemClock } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import { toDisposable } from '../base/disposable.js';
import type { Disposable } from '../base/disposable.js';
import { errorCode, errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';

/**
 * Tells the service manager how far a start is, by the protocol of sd_notify(3). Node has no datagram sockets of the Unix domain, so
 * systemd's own `systemd-notify` sends; it is there wherever systemd is, and the unit allows it by NotifyAccess=all.
 * Without NOTIFY_SOCKET nothing is sent. A failure is logged and never ends the server.
 */
export class ServiceNotifier {
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #logger: Logger;

  constructor(environment: Readonly<Record<string, string | undefined>>, logger: Logger) {
    this.#environment = environment;
    this.#logger = logger;
  }

  ready(status: string): Promise<void> {
    return this.#send(['--ready', `--status=${status}`]);
  }

  stopping(): Promise<void> {
    // Of systemd 254 on there is --stopping; a plain assignment is understood by all.
    return this.#send(['STOPPING=1']);
  }

  /** With WatchdogSec in the unit: says at half of that time that this process lives, until disposed. */
  keepAlive(clock: Clock = new SystemClock()): Disposable {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = this.#environment;
    const intervalMs = Number(microseconds) / 2000;
    if (!socket || !(intervalMs > 0) || (pid && Number(pid) !== process.pid)) return toDisposable(() => undefined);
    let timer: Disposable | undefined;
    const next = (): void => {
      timer = clock.setTimer(intervalMs, () => {
        next();
        void this.#send(['WATCHDOG=1']);
      });
    };
    next();
    return toDisposable(() => timer?.dispose());
  }

  async #send(argumentList: readonly string[]): Promise<void> {
    const { NOTIFY_SOCKET: socket, PATH } = this.#environment;
    if (!socket) return;
    try {
      await promisify(execFile)('systemd-notify', [...argumentList], {
        env: { NOTIFY_SOCKET: socket, ...(PATH !== undefined && { PATH }) },
        timeout: 10_000,
      });
    } catch (error) {
      const text = errorCode(error) === 'ENOENT' ? 'systemd-notify is not on PATH' : errorText(error).split('\n', 1)[0];
      this.#logger.warn(`systemd cannot be told how far this is: ${text} (install the package systemd)`);
    }
  }
}
