import type { Logger as BaseLogger } from '../base/logger.js';

/** The log sink of a part; the kernel binds one for each, already carrying the part's id. */
export type Logger = BaseLogger;

export const Logger: unique symbol = Symbol.for('k3s/logger@1');
