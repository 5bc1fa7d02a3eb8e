import type { PartDescriptor } from '../plugin-api/descriptor.js';

/** The descriptors of all parts that this kernel runs, dependencies first. For parts that serve others by their descriptors. */
export type SelectedParts = readonly PartDescriptor[];

export const SelectedParts: unique symbol = Symbol.for('k3s/selected-parts@1');
