import type { CodedError } from '../base/errors.js';
import { didYouMean } from '../base/nearest-name.js';
import type { PartDescriptor } from '../plugin-api/descriptor.js';
import { contractToken } from '../plugin-api/slots.js';
import type { SlotDefinition } from '../plugin-api/slots.js';
import { joinErrors, kernelError } from './kernel-errors.js';
import { resolveOptions } from './options.js';
import type { OptionValues } from './options.js';

export interface CatalogueEntry {
  readonly descriptor: PartDescriptor;
  /** `built-in`, or the package or path that it came from. */
  readonly origin: string;
  /** Of that package; absent where it has none. */
  readonly version?: string;
  /** Directory of that package, or its one file; absent: built in. */
  readonly location?: string;
}

/** A wish that a plugin runs. */
export interface PartSelection {
  /** Id or alias. */
  readonly id: string;
  /** Who wishes it, for messages: `preset default`, `--plugin`, a file. */
  readonly by: string;
  readonly options?: OptionValues;
}

export interface WiringInput {
  readonly slots: readonly SlotDefinition[];
  readonly catalogue: readonly CatalogueEntry[];
  readonly selection: readonly PartSelection[];
  /** What this process is. */
  readonly sides: { readonly server: boolean; readonly node: boolean };
}

export interface PlannedPart {
  readonly descriptor: PartDescriptor;
  readonly origin: string;
  readonly location?: string | undefined;
  readonly selectedBy: string;
  readonly slot: SlotDefinition;
  readonly options: OptionValues;
  readonly vital: boolean;
  /** Ids of the parts that are ready before this one starts. */
  readonly dependencies: readonly string[];
  /** 0 for parts without dependencies, else one more than the highest among them. */
  readonly wave: number;
}

export interface WiringPlan {
  /** Dependencies first, by wave. */
  readonly parts: readonly PlannedPart[];
  readonly slots: readonly SlotDefinition[];
}

interface Candidate {
  readonly entry: CatalogueEntry;
  readonly slot: SlotDefinition;
  readonly selection: PartSelection;
}

/**
 * Checks that the selected plugins fit together and computes their order, before anything is loaded or runs.
 * Throws a CodedError (`WiringErrorCode`), or an AggregateError of all that is wrong; each names both parties.
 */
export function planWiring(input: WiringInput): WiringPlan {
  const errors: CodedError[] = [];
  const slotById = new Map(input.slots.map(slot => [slot.id, slot]));
  const catalogue = indexCatalogue(input.catalogue, errors);
  const candidates = select(input, catalogue, slotById, errors);
  checkSlots(input, candidates, errors);
  checkProviders(candidates, input.slots, errors);
  const dependencies = resolveDependencies(input, candidates, slotById, errors);
  const waves = computeWaves(dependencies, errors);
  const optionsById = new Map<string, OptionValues>();
  for (const { entry, selection } of candidates) {
    optionsById.set(entry.descriptor.id, resolveOptions(entry.descriptor, selection.options, selection.by, errors));
  }
  if (errors.length > 0) throw joinErrors(errors, `${errors.length} faults in the choice of plugins`);

  const vital = vitalIds(candidates);
  const parts = candidates.map(({ entry, slot, selection }): PlannedPart => {
    const { id } = entry.descriptor;
    return {
      descriptor: entry.descriptor,
      origin: entry.origin,
      location: entry.location,
      selectedBy: selection.by,
      slot,
      options: optionsById.get(id)!,
      vital: vital.has(id),
      dependencies: dependencies.get(id)!,
      wave: waves.get(id)!,
    };
  });
  parts.sort((left, right) => left.wave - right.wave);
  return { parts, slots: input.slots };
}

/** Entries by id and alias. */
function indexCatalogue(entries: readonly CatalogueEntry[], errors: CodedError[]): Map<string, CatalogueEntry> {
  const byName = new Map<string, CatalogueEntry>();
  for (const entry of entries) {
    for (const name of [entry.descriptor.id, ...(entry.descriptor.aliases ?? [])]) {
      const other = byName.get(name);
      if (other) {
        const parties = `${describe(entry)} and ${describe(other)}`;
        const mend = 'one of them needs another id';
        errors.push(kernelError('PLUGIN_DUPLICATE', `the name "${name}" belongs to two plugins: ${parties}`, { mend }));
      } else byName.set(name, entry);
    }
  }
  return byName;
}

function describe({ descriptor, origin }: CatalogueEntry): string {
  return `${descriptor.id} (${origin})`;
}

function select(
  input: WiringInput,
  catalogue: Map<string, CatalogueEntry>,
  slotById: Map<string, SlotDefinition>,
  errors: CodedError[],
): Candidate[] {
  const candidates = new Map<string, Candidate>();
  for (const selection of input.selection) {
    const entry = catalogue.get(selection.id);
    if (!entry) {
      const text = `${selection.by}: unknown plugin "${selection.id}"${didYouMean(selection.id, catalogue.keys())}`;
      errors.push(kernelError('PLUGIN_UNKNOWN', text, { mend: '"k3s plugin list" shows the plugins there are' }));
      continue;
    }
    const { descriptor } = entry;
    const slot = slotById.get(descriptor.slot);
    if (!slot) {
      const name = `"${descriptor.slot}"${didYouMean(descriptor.slot, slotById.keys())}`;
      errors.push(kernelError('SLOT_UNKNOWN', `plugin ${describe(entry)} wants the unknown slot ${name}`));
      continue;
    }
    if (descriptor.contract !== slot.contract) {
      const text = `plugin ${describe(entry)} speaks ${slot.id}@${descriptor.contract}, this k3s speaks ${slot.id}@${slot.contract}`;
      errors.push(kernelError('CONTRACT_MISMATCH', text, { mend: `install a version of it for ${slot.id}@${slot.contract}` }));
      continue;
    }
    const side = descriptor.side ?? slot.side;
    if ((side === 'server' && !input.sides.server) || (side === 'node' && !input.sides.node)) {
      const here = input.sides.server ? 'a server without a node' : 'an agent';
      const text = `${selection.by}: plugin ${descriptor.id} belongs on a ${side}, and this is ${here}`;
      errors.push(kernelError('PLUGIN_WRONG_SIDE', text));
      continue;
    }
    const before = candidates.get(descriptor.id);
    if (before) {
      const text = `plugin ${descriptor.id} is chosen twice, by ${before.selection.by} and by ${selection.by}`;
      errors.push(kernelError('PLUGIN_DUPLICATE', text));
      continue;
    }
    candidates.set(descriptor.id, { entry, slot, selection });
  }
  return [...candidates.values()];
}

function checkSlots(input: WiringInput, candidates: readonly Candidate[], errors: CodedError[]): void {
  for (const slot of input.slots) {
    const holders = candidates.filter(candidate => candidate.slot.id === slot.id);
    if (slot.cardinality !== 'many' && holders.length > 1) {
      const parties = holders.map(({ entry, selection }) => `${describe(entry)} by ${selection.by}`).join(' and ');
      const choices = holders.map(({ entry }) => `--slot ${slot.id}=${entry.descriptor.id}`).join(' or ');
      const mend = `choose one: ${choices}`;
      errors.push(kernelError('SLOT_TAKEN', `the slot ${slot.id} holds one plugin, but is claimed by ${parties}`, { mend }));
    }
    const here = slot.side === 'both' || (slot.side === 'server' ? input.sides.server : input.sides.node);
    // Whoever was to fill it and was refused is named already.
    const refused = input.selection.some(({ id }) =>
      input.catalogue.some(({ descriptor }) => descriptor.id === id && descriptor.slot === slot.id),
    );
    if (slot.cardinality === 'one' && here && holders.length === 0 && !refused) {
      errors.push(kernelError('SLOT_EMPTY', `the slot ${slot.id} is empty; ${whoCouldFill(input.catalogue, slot.id)}`));
    }
  }
}

function whoCouldFill(catalogue: readonly CatalogueEntry[], slotId: string): string {
  const ids = catalogue.filter(entry => entry.descriptor.slot === slotId).map(entry => entry.descriptor.id);
  return ids.length === 0 ? 'no plugin for it is installed' : `it can be filled by ${ids.join(', ')}`;
}

/** A contract that others inject one of has one provider. Tokens of open slots have any number. */
function checkProviders(candidates: readonly Candidate[], slots: readonly SlotDefinition[], errors: CodedError[]): void {
  const open = new Set(slots.filter(slot => slot.cardinality === 'many').map(contractToken));
  const providers = new Map<symbol, Candidate>();
  for (const candidate of candidates) {
    for (const token of new Set(candidate.entry.descriptor.provides)) {
      if (open.has(token)) continue;
      const other = providers.get(token);
      if (other) {
        const parties = `${describe(other.entry)} and ${describe(candidate.entry)}`;
        errors.push(kernelError('DUPLICATE_PROVIDER', `${token.description} is provided twice, by ${parties}`));
      } else providers.set(token, candidate);
    }
  }
}

function resolveDependencies(
  input: WiringInput,
  candidates: readonly Candidate[],
  slotById: Map<string, SlotDefinition>,
  errors: CodedError[],
): Map<string, string[]> {
  const dependencies = new Map<string, string[]>();
  for (const { entry } of candidates) {
    const { id, requires = [], after = [] } = entry.descriptor;
    const own = new Set<string>();
    for (const slotId of [...requires, ...after]) {
      if (!slotById.has(slotId)) {
        const name = `"${slotId}"${didYouMean(slotId, slotById.keys())}`;
        errors.push(kernelError('SLOT_UNKNOWN', `plugin ${describe(entry)} requires the unknown slot ${name}`));
        continue;
      }
      if (slotId === entry.descriptor.slot && slotById.get(slotId)!.cardinality !== 'many') {
        const text = `plugin ${describe(entry)} requires the slot ${slotId}, which it fills itself`;
        errors.push(kernelError('DEPENDENCY_CYCLE', text, { mend: `take ${slotId} out of its "requires" and "after"` }));
        continue;
      }
      const holders = candidates.filter(candidate => candidate.slot.id === slotId && candidate.entry.descriptor.id !== id);
      for (const holder of holders) own.add(holder.entry.descriptor.id);
      if (holders.length === 0 && requires.includes(slotId)) {
        const text = `plugin ${describe(entry)} requires the slot ${slotId}, which is empty; ${whoCouldFill(input.catalogue, slotId)}`;
        errors.push(kernelError('REQUIREMENT_MISSING', text));
      }
    }
    dependencies.set(id, [...own]);
  }
  return dependencies;
}

function computeWaves(dependencies: Map<string, readonly string[]>, errors: CodedError[]): Map<string, number> {
  const waves = new Map<string, number>();
  const path: string[] = [];
  const inCycle = new Set<string>();
  const visit = (id: string): number => {
    const known = waves.get(id);
    if (known !== undefined) return known;
    const at = path.indexOf(id);
    if (at >= 0) {
      const cycle = path.slice(at);
      if (!cycle.some(member => inCycle.has(member))) {
        const text = `plugins require each other in a circle: ${[...cycle, id].join(' -> ')}`;
        const mend = 'one of them must go without the other: "requires" and "after" name what is ready before';
        errors.push(kernelError('DEPENDENCY_CYCLE', text, { mend }));
      }
      for (const member of cycle) inCycle.add(member);
      return 0;
    }
    path.push(id);
    let wave = 0;
    for (const dependency of dependencies.get(id) ?? []) wave = Math.max(wave, visit(dependency) + 1);
    path.pop();
    waves.set(id, wave);
    return wave;
  };
  for (const id of dependencies.keys()) visit(id);
  return waves;
}

/** Parts that are vital by themselves, and all that those require. */
function vitalIds(candidates: readonly Candidate[]): Set<string> {
  const vital = new Set<string>();
  const add = ({ entry }: Candidate): void => {
    if (vital.has(entry.descriptor.id)) return;
    vital.add(entry.descriptor.id);
    for (const slotId of entry.descriptor.requires ?? []) {
      for (const candidate of candidates) if (candidate.slot.id === slotId) add(candidate);
    }
  };
  for (const candidate of candidates) if (candidate.entry.descriptor.vital ?? candidate.slot.vital) add(candidate);
  return vital;
}
