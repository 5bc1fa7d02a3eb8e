import type { PartDescriptor } from '../plugin-api/descriptor.js';

/** The parts of the core itself, one sorted line an entry. */
export const coreParts: readonly PartDescriptor[] = [];
