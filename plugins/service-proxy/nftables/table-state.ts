import { tableFamily, tableName } from './names.js';
import type { OwnSet, SharedElement, Unit } from './unit.js';

/** Elements of one `add element` line; lines beyond some megabytes are hard on nft. */
const elementsPerLine = 2000;
const table = `${tableFamily} ${tableName}`;

/**
 * What the table holds and what it shall hold. `update` turns changed units into one script that changes only what differs; the
 * order inside the script never leaves a reference to something that is not there.
 */
export class TableState {
  readonly #units = new Map<string, Unit>();
  readonly #claims = new Map<string, Map<string, SharedElement>>();

  get units(): ReadonlyMap<string, Unit> {
    return this.#units;
  }

  /** Takes the changed units over (undefined: gone) and gives the script for the difference; '' when nothing differs. */
  update(changes: ReadonlyMap<string, Unit | undefined>): string {
    const before = new Map<string, SharedElement | undefined>();
    const script = new ScriptBuilder();
    for (const [id, next] of changes) {
      const previous = this.#units.get(id);
      if (!previous && !next) continue;
      script.changeUnit(previous, next);
      for (const element of previous?.elements ?? []) this.#release(id, element, before);
      for (const element of next?.elements ?? []) this.#claim(id, element, before);
      if (next) this.#units.set(id, next);
      else this.#units.delete(id);
    }
    for (const [key, old] of before) script.changeElement(old, this.#winner(key));
    return script.text();
  }

  /** The script that fills an empty base table with everything. */
  rebuild(): string {
    const script = new ScriptBuilder();
    for (const unit of this.#units.values()) script.changeUnit(undefined, unit);
    for (const key of this.#claims.keys()) script.changeElement(undefined, this.#winner(key));
    return script.text();
  }

  #claim(id: string, element: SharedElement, before: Map<string, SharedElement | undefined>): void {
    const key = keyOf(element);
    if (!before.has(key)) before.set(key, this.#winner(key));
    let claims = this.#claims.get(key);
    if (!claims) this.#claims.set(key, (claims = new Map()));
    const own = claims.get(id);
    if (!own || element.rank < own.rank) claims.set(id, element);
  }

  #release(id: string, element: SharedElement, before: Map<string, SharedElement | undefined>): void {
    const key = keyOf(element);
    if (!before.has(key)) before.set(key, this.#winner(key));
    const claims = this.#claims.get(key);
    claims?.delete(id);
    if (claims?.size === 0) this.#claims.delete(key);
  }

  #winner(key: string): SharedElement | undefined {
    let winner: SharedElement | undefined;
    for (const claim of this.#claims.get(key)?.values() ?? []) if (!winner || claim.rank < winner.rank) winner = claim;
    return winner;
  }
}

const keyOf = (element: SharedElement): string => `${element.set} ${element.key}`;

class ScriptBuilder {
  readonly #newSets: string[] = [];
  readonly #newChains: string[] = [];
  readonly #flushes: string[] = [];
  readonly #rules: string[] = [];
  readonly #staleElements = new Map<string, string[]>();
  readonly #newElements = new Map<string, string[]>();
  readonly #staleChains: string[] = [];
  readonly #staleSets: string[] = [];

  changeUnit(previous: Unit | undefined, next: Unit | undefined): void {
    for (const [name, set] of next?.sets ?? []) this.#changeSet(name, previous?.sets.get(name), set);
    for (const [name, rules] of next?.chains ?? []) this.#changeChain(name, previous?.chains.get(name), rules);
    for (const name of previous?.chains.keys() ?? []) {
      if (next?.chains.has(name)) continue;
      this.#flushes.push(`flush chain ${table} ${name}`);
      this.#staleChains.push(`delete chain ${table} ${name}`);
    }
    for (const [name, set] of previous?.sets ?? []) {
      if (!next?.sets.has(name)) this.#staleSets.push(`delete ${set.kind} ${table} ${name}`);
    }
  }

  changeElement(previous: SharedElement | undefined, next: SharedElement | undefined): void {
    if (previous && next && previous.data === next.data) return;
    if (previous) push(this.#staleElements, previous.set, previous.key);
    if (next) push(this.#newElements, next.set, next.data === undefined ? next.key : `${next.key} : ${next.data}`);
  }

  text(): string {
    const lines = [
      ...this.#newSets,
      ...this.#newChains,
      ...this.#flushes,
      ...elementLines('delete', this.#staleElements),
      ...this.#staleChains,
      ...this.#staleSets,
      ...this.#rules,
      ...elementLines('add', this.#newElements),
    ];
    return lines.map(line => line + '\n').join('');
  }

  #changeSet(name: string, previous: OwnSet | undefined, next: OwnSet): void {
    if (!previous) this.#newSets.push(`add ${next.kind} ${table} ${name} { ${next.declaration} }`);
    if (!next.elements || previous?.elements?.join() === next.elements.join()) return;
    if (previous) this.#flushes.push(`flush ${next.kind} ${table} ${name}`);
    for (const element of next.elements) push(this.#newElements, name, element);
  }

  #changeChain(name: string, previous: readonly string[] | undefined, next: readonly string[]): void {
    if (previous?.join('\n') === next.join('\n')) return;
    if (previous) this.#flushes.push(`flush chain ${table} ${name}`);
    else this.#newChains.push(`add chain ${table} ${name}`);
    for (const rule of next) this.#rules.push(`add rule ${table} ${name} ${rule}`);
  }
}

function push(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function elementLines(verb: 'add' | 'delete', elements: ReadonlyMap<string, readonly string[]>): string[] {
  const lines: string[] = [];
  for (const [set, list] of elements) {
    for (let from = 0; from < list.length; from += elementsPerLine) {
      lines.push(`${verb} element ${table} ${set} { ${list.slice(from, from + elementsPerLine).join(', ')} }`);
    }
  }
  return lines;
}
