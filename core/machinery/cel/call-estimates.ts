import type { Expression } from './ast.js';
import type { CelType } from './cel-type.js';
import type { Estimate } from './estimate.js';
import { exactly, plus, scaled, times, union, unknownSize, unlimited, wrapping } from './estimate.js';
import { regexFactor, stringFactor } from './runtime-cost.js';

/** What calls of library functions may cost: Kubernetes' estimator, and the lists and sets extensions. */

/** The size of what stands at a path from a variable on, by its schema; undefined where no schema says. */
export type SizeLookup = (path: readonly string[]) => Estimate | undefined;

export interface CostNode {
  readonly path: readonly string[];
  readonly type: CelType;
  readonly expression: Expression;
  readonly size: Estimate | undefined;
}

export interface CallEstimate {
  readonly cost: Estimate;
  /** Of the result. */
  readonly size?: Estimate;
}

export interface EstimatedCall {
  readonly functionName: string;
  readonly overloadId: string;
  readonly target: CostNode | undefined;
  readonly args: readonly CostNode[];
  readonly sizes: SizeLookup;
}

type Estimator = (call: EstimatedCall, size: (node: CostNode) => Estimate) => CallEstimate | undefined;

const nominal: Estimator = () => ({ cost: exactly(1) });
const perCharacter: Estimator = ({ args: [first] }, size) => first && { cost: scaled(size(first), stringFactor) };

const ofTarget: Estimator = ({ target }, size) => target && { cost: scaled(size(target), stringFactor), size: size(target) };

const ofArgument: Estimator = ({ args }, size) =>
  args.length === 1 ? { cost: scaled(size(args[0]!), stringFactor), size: size(args[0]!) } : undefined;

/** The elements of a list, at the path that the schema has for them. */
function elementNode(list: CostNode): CostNode | undefined {
  const [type] = list.type.parameters;
  if (!type) return undefined;
  return { path: list.path.length > 0 ? [...list.path, '@items'] : [], type, expression: list.expression, size: undefined };
}

const overElements: Estimator = ({ target, sizes }, size) => {
  if (!target) return undefined;
  const element = elementNode(target);
  if (!element) return { cost: scaled(size(target), stringFactor) };
  const isText = element.type.kind === 'string' || element.type.kind === 'bytes';
  const elementSize = (element.path.length > 0 ? sizes(element.path) : undefined) ?? unknownSize;
  const each = isText ? plus(exactly(1), scaled(elementSize, stringFactor)) : exactly(1);
  return { cost: times(size(target), each) };
};

const selector: Estimator = ({ args }, size) => {
  if (args.length !== 1) return undefined;
  const length = size(args[0]!);
  const requirements = scaled(scaled(length, 0.5), 50);
  return { cost: plus(plus(exactly(10), scaled(length, stringFactor)), requirements) };
};

const replace: Estimator = ({ target, args }, size) => {
  if (!target || args.length < 2) return undefined;
  const text = size(target);
  const old = size(args[0]!);
  const replacement = size(args[1]!);
  const kept = { min: 0, max: 0 };
  const count = { min: 0, max: 0 };
  if (old.min === 0) {
    count.max = Math.min(unlimited, text.max + 1);
    kept.max = text.max;
  } else if (replacement.max <= old.min) kept.max = text.max;
  else count.max = Math.ceil(text.max / old.min);
  if (old.max === 0) {
    count.min = Math.min(unlimited, text.min + 1);
    kept.min = text.min;
  } else if (old.max <= replacement.min) kept.min = text.min;
  else count.min = Math.ceil(text.min / old.max);
  return { cost: scaled(text, 2 * stringFactor), size: plus(times(count, replacement), kept) };
};

const split: Estimator = ({ target, args }, size) => {
  if (!target) return undefined;
  const text = size(target);
  const limit = args[1]?.expression;
  const isLimited = limit?.kind === 'literal' && typeof limit.value === 'bigint';
  const max = isLimited ? Number(BigInt.asUintN(64, limit.value as bigint)) : text.max;
  return { cost: scaled(text, 2 * stringFactor), size: { min: 0, max } };
};

const join: Estimator = ({ target, args, sizes }, size) => {
  if (!target) return undefined;
  const list = size(target);
  const element = elementNode(target);
  let total = exactly(0);
  if (element) {
    const elementSize = (element.path.length > 0 ? sizes(element.path) : undefined) ?? unknownSize;
    total = times(list, elementSize);
  }
  if (args.length > 0) {
    const separators = { min: Math.max(0, list.min - 1), max: Math.max(0, list.max - 1) };
    total = plus(total, times(size(args[0]!), separators));
  }
  return { cost: scaled(total, stringFactor), size: total };
};

const find: Estimator = ({ target, args }, size) => {
  if (!target || args.length === 0) return undefined;
  const text = scaled(plus(size(target), exactly(1)), stringFactor);
  return { cost: times(text, scaled(size(args[0]!), regexFactor)), size: { min: 0, max: size(target).max } };
};

const containsIp: Estimator = ({ args, overloadId }, size) => {
  const width = { min: 4, max: 16 };
  const cost = scaled(plus(width, width), stringFactor);
  if (overloadId !== 'cidr_contains_ip_string') return { cost };
  return { cost: plus(cost, scaled(scaled(size(args[0]!), 1), stringFactor)) };
};

const containsCidr: Estimator = ({ args, overloadId }, size) => {
  const width = { min: 4, max: 16 };
  const compared = plus(scaled(plus(width, width), stringFactor), scaled(width, stringFactor));
  const cost = plus(compared, exactly(1));
  return { cost: overloadId === 'cidr_contains_cidr_string' ? plus(cost, scaled(size(args[0]!), stringFactor)) : cost };
};

const maximumNamePattern = 128;
const validate: Estimator = ({ args: [first] }, size) =>
  first && { cost: scaled(scaled(size(first), stringFactor), maximumNamePattern * regexFactor) };

const maximumFormat = 64;

/** Equality of the types of Kubernetes' libraries. */
const equality: Estimator = ({ args }) => {
  const [left, right] = args;
  if (!left || !right || !left.type.equals(right.type)) return undefined;
  switch (left.type.name) {
    case 'kubernetes.NamedFormat':
      return { cost: scaled({ min: 1, max: maximumFormat }, stringFactor) };
    case 'kubernetes.URL': {
      const max = right.size ? union(right.size, right.size).max : 1;
      return { cost: scaled({ min: 1, max }, stringFactor) };
    }
    case 'net.IP':
    case 'net.CIDR':
    case 'kubernetes.Quantity':
    case 'kubernetes.Semver':
      return { cost: exactly(1) };
    default:
      return left.type.name.startsWith('kubernetes.authorization.') ? { cost: exactly(1) } : undefined;
  }
};

function each(names: readonly string[], estimator: Estimator): [string, Estimator][] {
  return names.map(name => [name, estimator]);
}

const byFunction = new Map<string, Estimator>([
  ...each(
    [
      ...['serviceAccount', 'path', 'group', 'resource', 'subresource', 'namespace', 'name', 'allowed', 'reason', 'error'],
      ...['errored', 'masked', 'prefixLength', 'family', 'isUnspecified', 'isLoopback', 'isLinkLocalMulticast'],
      ...['isLinkLocalUnicast', 'isGlobalUnicast', 'format.named', 'sign', 'asInteger', 'isInteger', 'asApproximateFloat'],
      ...['isGreaterThan', 'isLessThan', 'compareTo', 'add', 'sub', 'major', 'minor', 'patch', 'getScheme', 'getHostname'],
      ...['getHost', 'getPort', 'getEscapedPath', 'getQuery'],
    ],
    nominal,
  ),
  ['check', () => ({ cost: exactly(350000) })],
  ...each(['fieldSelector', 'labelSelector'], selector),
  ...each(['isSorted', 'sum', 'max', 'min', 'indexOf', 'lastIndexOf'], overElements),
  ...each(['url', 'jsonpatch.escapeKey'], ofArgument),
  ...each(['lowerAscii', 'upperAscii', 'substring', 'trim'], ofTarget),
  ['replace', replace],
  ['split', split],
  ['join', join],
  ...each(['find', 'findAll'], find),
  ...each(['cidr', 'isIP', 'isCIDR', 'quantity', 'isQuantity', 'semver', 'isSemver'], perCharacter),
  [
    'ip',
    (call, size) => {
      if (call.overloadId === 'cidr_ip') return { cost: exactly(1) };
      return perCharacter(call, size);
    },
  ],
  ['ip.isCanonical', ({ args: [first] }, size) => first && { cost: scaled(size(first), 2 * stringFactor) }],
  ['containsIP', containsIp],
  ['containsCIDR', containsCidr],
  ['validate', validate],
  ['_==_', equality],
]);

/** A new list of that size, at `factor` for each element. */
function newList(factor: number, size: Estimate): CallEstimate {
  return { cost: plus(plus(scaled(size, factor), exactly(1)), exactly(10)), size };
}

function literalInt(node: CostNode | undefined, otherwise: number): number {
  const expression = node?.expression;
  if (expression?.kind !== 'literal' || typeof expression.value !== 'bigint') return otherwise;
  return expression.value < 0n ? 0 : Number(expression.value);
}

function sorting(text: boolean, size: Estimate): CallEstimate {
  return newList(2 + (text ? stringFactor : 0), times(size, size));
}

function setsEstimate(factor: number): Estimator {
  return ({ args }, size) =>
    args.length === 2 ? { cost: plus(scaled(times(size(args[0]!), size(args[1]!)), factor), exactly(1)) } : undefined;
}

const byOverload = new Map<string, Estimator>([
  ['list_sets_contains_list', setsEstimate(1)],
  ['list_sets_intersects_list', setsEstimate(1)],
  ['list_sets_equivalent_list', setsEstimate(2)],
  [
    'list_slice',
    ({ target, args }, size) => {
      if (!target) return undefined;
      const width = literalInt(args[1], size(target).max) - literalInt(args[0], 0);
      return newList(1, exactly(width < 0 ? wrapping(0, 0n, BigInt(width)) : width));
    },
  ],
  ['lists_range', ({ args }) => newList(1, exactly(literalInt(args[0], unlimited)))],
  ['list_reverse', ({ target }, size) => target && newList(1, size(target))],
  ['list_distinct', ({ target }, size) => target && newList(2, times(size(target), size(target)))],
  ...each(['list_flatten', 'list_flatten_int'], ({ target, args }, size) => {
    return target && newList(args.length === 1 ? literalInt(args[0], unlimited) : 1, size(target));
  }),
]);

/** Undefined where no library has a number of its own. */
export function libraryEstimate(call: EstimatedCall): CallEstimate | undefined {
  const size = (node: CostNode): Estimate =>
    node.size ?? (node.path.length > 0 ? call.sizes(node.path) : undefined) ?? unknownSize;
  const { overloadId, target, args } = call;
  const own = byOverload.get(overloadId)?.(call, size);
  if (own) return own;
  const sorted = /^list_(.*)_(sort|sortByAssociatedKeys)$/.exec(overloadId);
  if (sorted) {
    const node = sorted[2] === 'sort' ? target : args[0];
    if (node) return sorting(sorted[1] === 'string' || sorted[1] === 'bytes', size(node));
  }
  return byFunction.get(call.functionName)?.(call, size);
}
