/** A named set of plugins and settings to begin with. Data only; flags and files override all of it. */
export interface Preset {
  readonly id: string;
  readonly summary: string;
  /**
   * Plugin ids by slot: one, several, `none`, or `*` for every plugin that comes with k3s for this slot. A plugin that is not built
   * leaves its slot empty.
   */
  readonly slots: Readonly<Record<string, string | readonly string[]>>;
  /** Options by plugin. */
  readonly pluginOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Values of flags. */
  readonly flags?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** Touches nothing of the host: needs no root, lives in a temporary directory that is removed at the end. */
  readonly temporary?: boolean;
}
