/**
 * The validated options of one plugin, frozen, of the type that its convict schema gives; an empty object when it has no schema.
 * Bound by the kernel for each part.
 */
export const PluginOptions: unique symbol = Symbol.for('k3s/plugin-options@1');
