import { CodedError } from '../base/errors.js';
import { didYouMean, editDistance, nearestName } from '../base/nearest-name.js';
import type { PartDescriptor } from './descriptor.js';
import { slots } from './slots.js';

type Fields = Readonly<Record<string, unknown>>;

/** Of `PartDescriptor`; the compiler holds it complete. */
const knownFields: Readonly<Record<keyof PartDescriptor, true>> = {
  after: true,
  aliases: true,
  arguments: true,
  commands: true,
  contract: true,
  dataplane: true,
  deadlinesMs: true,
  flags: true,
  id: true,
  load: true,
  manifests: true,
  options: true,
  provides: true,
  requires: true,
  side: true,
  slot: true,
  summary: true,
  vital: true,
};
const idPattern = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
const flagPattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/**
 * Checks the own shape of a descriptor of unknown origin. Names of other parties are checked later, when all are known. Throws
 * CodedError `PLUGIN_INVALID` that names plugin and field.
 */
export function assertDescriptor(value: unknown): asserts value is PartDescriptor {
  if (!isFields(value)) throw invalid('(unnamed)', 'is not an object');
  const { id } = value;
  if (typeof id !== 'string' || !idPattern.test(id)) {
    throw invalid(typeof id === 'string' ? id : '(unnamed)', 'needs an "id" in kebab-case');
  }
  if (id === 'none') throw invalid(id, 'cannot be called "none": that is the empty slot');
  // Fields that are no concern of ours do no harm; a slip of the pen would be lost without a word.
  for (const field of Object.keys(value)) {
    const nearest = Object.hasOwn(knownFields, field) ? undefined : nearestName(field, Object.keys(knownFields));
    if (nearest !== undefined && editDistance(field.toLowerCase(), nearest.toLowerCase()) <= 2) {
      throw invalid(id, `has an unknown field "${field}"${didYouMean(field, [nearest])}`);
    }
  }
  checkKind(id, value);
  checkOptions(id, value['options'], '');
  checkFlags(id, value);
  checkCommands(id, value);
}

function checkKind(id: string, descriptor: Fields): void {
  if (typeof descriptor['slot'] !== 'string') {
    throw invalid(id, 'needs a "slot"', `the slots are ${slots.map(slot => slot.id).join(', ')}`);
  }
  const { contract, side, vital, load, summary, dataplane, provides, manifests, deadlinesMs } = descriptor;
  if (!Number.isInteger(contract) || (contract as number) < 1) {
    throw invalid(id, 'needs "contract", the major version of its slot');
  }
  if (typeof load !== 'function') throw invalid(id, 'needs "load", a function that imports its module');
  if (side !== undefined && side !== 'server' && side !== 'node' && side !== 'both') {
    throw invalid(id, '"side" is none of server, node, both');
  }
  if (vital !== undefined && typeof vital !== 'boolean') throw invalid(id, '"vital" is not a boolean');
  for (const [field, text] of Object.entries({ summary, dataplane })) {
    if (text !== undefined && typeof text !== 'string') throw invalid(id, `"${field}" is not a text`);
  }
  for (const field of ['aliases', 'requires', 'after'] as const) {
    const names = descriptor[field];
    if (names !== undefined && (!Array.isArray(names) || names.some(name => typeof name !== 'string'))) {
      throw invalid(id, `"${field}" is not a list of names`);
    }
  }
  if (provides !== undefined && (!Array.isArray(provides) || provides.some(token => typeof token !== 'symbol'))) {
    throw invalid(id, '"provides" is not a list of tokens');
  }
  for (const field of ['options', 'flags', 'arguments', 'commands', 'deadlinesMs'] as const) {
    if (descriptor[field] !== undefined && !isFields(descriptor[field])) throw invalid(id, `"${field}" is not an object`);
  }
  for (const [phase, deadlineMs] of Object.entries((deadlinesMs ?? {}) as Fields)) {
    if (typeof deadlineMs !== 'number' || !(deadlineMs > 0)) throw invalid(id, `"deadlinesMs.${phase}" is no number above 0`);
  }
  if (manifests !== undefined && !Array.isArray(manifests)) throw invalid(id, '"manifests" is not a list of objects');
  for (const manifest of (manifests ?? []) as unknown[]) {
    const { apiVersion, kind, metadata } = isFields(manifest) ? manifest : {};
    const name = isFields(metadata) ? metadata['name'] : undefined;
    if ([apiVersion, kind, name].some(text => typeof text !== 'string' || text === '')) {
      throw invalid(id, 'has an object among its "manifests" without apiVersion, kind or metadata.name');
    }
  }
}

/** convict takes what has no `default` for a group, and each text in it for an option of that value. */
function checkOptions(id: string, schema: unknown, prefix: string): void {
  for (const [name, option] of Object.entries((schema ?? {}) as Fields)) {
    const path = `${prefix}${name}`;
    if (!isFields(option)) throw invalid(id, `"options.${path}" is not an object with a "default"`);
    if ('default' in option) continue;
    if (Object.values(option).some(below => !isFields(below))) throw invalid(id, `"options.${path}" has no "default"`);
    checkOptions(id, option, `${path}.`);
  }
}

const flagKinds: readonly unknown[] = ['string', 'boolean', 'number', 'list'];

function checkFlags(id: string, descriptor: Fields): void {
  const flags = (descriptor['flags'] ?? {}) as Fields;
  for (const [name, flag] of Object.entries(flags)) {
    const place = `"flags.${name}"`;
    if (!flagPattern.test(name)) throw invalid(id, `${place} is not in kebab-case, without dashes before it`);
    if (!isFields(flag)) throw invalid(id, `${place} is not an object`);
    const { option, kind, summary, whole, environment, command } = flag;
    if (!flagKinds.includes(kind)) throw invalid(id, `${place} needs a "kind": string, boolean, number or list`);
    if (typeof summary !== 'string') throw invalid(id, `${place} needs a "summary"`);
    if (typeof option !== 'string') throw invalid(id, `${place} needs an "option", which it sets`);
    if (!hasOption(descriptor['options'], option))
      throw invalid(id, `${place} sets the option "${option}", which its "options" lack`);
    if (whole !== undefined && (whole !== true || kind !== 'list'))
      throw invalid(id, `${place}: only a list can be "whole: true"`);
    if (environment !== undefined && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(String(environment))) {
      throw invalid(id, `${place}: "environment" is no name of a variable`);
    }
    if (command !== undefined && command !== 'server' && command !== 'agent') {
      throw invalid(id, `${place}: "command" is neither server nor agent`);
    }
  }
  if (descriptor['arguments'] === undefined) return;
  const { flag, name, table } = descriptor['arguments'] as Fields;
  const own = typeof flag === 'string' && Object.hasOwn(flags, flag) ? (flags[flag] as Fields) : undefined;
  if (own?.['kind'] !== 'list') throw invalid(id, '"arguments.flag" names none of its "flags" of the kind list');
  if (typeof name !== 'string') throw invalid(id, '"arguments" needs a "name", as messages have it');
  if (!isFields(table)) throw invalid(id, '"arguments" needs a "table" of rules by argument');
}

function hasOption(schema: unknown, path: string): boolean {
  let at = schema;
  for (const step of path.split('.')) {
    if (!isFields(at) || !Object.hasOwn(at, step)) return false;
    at = at[step];
  }
  return isFields(at) && 'default' in at;
}

function checkCommands(id: string, descriptor: Fields): void {
  for (const [name, command] of Object.entries((descriptor['commands'] ?? {}) as Fields)) {
    const place = `"commands.${name}"`;
    if (!flagPattern.test(name)) throw invalid(id, `${place} is not in kebab-case`);
    if (!isFields(command)) throw invalid(id, `${place} is not an object`);
    if (typeof command['summary'] !== 'string') throw invalid(id, `${place} needs a "summary"`);
    if (typeof command['load'] !== 'function') throw invalid(id, `${place} needs "load", a function that imports it`);
    if (command['usage'] !== undefined && typeof command['usage'] !== 'string')
      throw invalid(id, `${place}: "usage" is not a text`);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(id: string, problem: string, mend = 'see docs/guides/plugins.md for the shape of a descriptor'): CodedError {
  return new CodedError('PLUGIN_INVALID', `plugin ${id} ${problem}`, { mend });
}
