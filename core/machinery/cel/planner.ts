import type { CallExpression, ComprehensionExpression, Expression, IdentifierExpression, SelectExpression } from './ast.js';
import { accumulatorName } from './ast.js';
import {
  AccumulatorAttribute,
  Attribute,
  ConditionalAttribute,
  isKey,
  LocalAttribute,
  PresenceNode,
  RelativeAttribute,
  Step,
  VariableAttribute,
} from './attribute-nodes.js';
import type { FunctionDeclaration, Implementation, Overload } from './declarations.js';
import { isOfType, matchesOverload, noMatchingOverload } from './declarations.js';
import type { Environment } from './environment.js';
import { FoldNode, goTypeName } from './fold-node.js';
import { Frame } from './frame.js';
import { patternSpecialization } from './libraries/regex.js';
import type { Node } from './nodes.js';
import {
  BinaryNode,
  CallNode,
  ConstantNode,
  EqualityNode,
  ListNode,
  LogicalNode,
  MapNode,
  MembershipNode,
  OptionalOrNode,
  StructNode,
  UnaryNode,
} from './nodes.js';
import { PlanFailure } from './plan-failure.js';
import { callCost, equalityCost, inequalityCost } from './runtime-cost.js';
import type { CelValue } from './values.js';
import { CelError, ListValue, typeOf } from './values.js';

export interface Plan {
  readonly root: Node;
  readonly localCount: number;
}

/** From a checked expression to nodes. Throws PlanFailure where upstream cannot make a program of it. */
export function planExpression(expression: Expression, environment: Environment): Plan {
  const planner = new Planner(environment);
  return { root: planner.plan(expression), localCount: planner.localCount };
}

interface Local {
  readonly name: string;
  readonly attribute: () => Attribute;
  readonly parent: Local | undefined;
}

const conversions = new Set(['bool', 'bytes', 'double', 'duration', 'dyn', 'int', 'string', 'timestamp', 'type', 'uint']);
const emptyFrame = (): Frame => new Frame({ find: () => undefined }, Infinity, 0);

class Planner {
  readonly #environment: Environment;
  #local: Local | undefined;
  localCount = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  plan(expression: Expression): Node {
    switch (expression.kind) {
      case 'literal':
        return new ConstantNode(expression.value);
      case 'identifier':
        return this.#name(expression, expression.name);
      case 'select':
        return this.#select(expression);
      case 'call':
        return this.#call(expression);
      case 'list': {
        const elements = expression.elements.map(element => this.plan(element));
        return constantIfAll(elements, new ListNode(elements, expression.optionals));
      }
      case 'map': {
        const entries = expression.entries.map(({ key, value, optional }) => ({
          key: this.plan(key),
          value: this.plan(value),
          optional,
        }));
        const parts = entries.flatMap(entry => [entry.key, entry.value]);
        return constantIfAll(parts, new MapNode(entries));
      }
      case 'struct': {
        const { typeName } = expression;
        const provider = this.#environment.providerOf(typeName);
        if (!provider?.create) throw new PlanFailure(`unknown type: ${typeName}`);
        const fields = expression.fields.map(({ name, value, optional }) => ({ name, value: this.plan(value), optional }));
        return new StructNode(fields, values => provider.create!(typeName, values));
      }
      case 'comprehension':
        return this.#comprehension(expression);
      case 'invalid':
        throw new PlanFailure('the expression is invalid');
    }
  }

  #name(expression: IdentifierExpression | SelectExpression, name: string): Node {
    for (let local = this.#local; local; local = local.parent) if (local.name === name) return local.attribute();
    if (expression.type?.kind === 'type') {
      const named = this.#environment.namedType(name);
      if (named) return new ConstantNode(named);
      if (!this.#environment.variable(name)) throw new PlanFailure(`reference to undefined type: ${name}`);
    }
    return new VariableAttribute(name);
  }

  #attribute(expression: Expression): Attribute {
    const node = this.plan(expression);
    return node instanceof Attribute ? node : new RelativeAttribute(node);
  }

  #select(expression: SelectExpression): Node {
    if (expression.qualifiedName !== undefined) return this.#name(expression, expression.qualifiedName);
    const attribute = this.#attribute(expression.operand);
    attribute.add(new Step(expression.field, false, expression.testOnly, expression.operand.type?.kind === 'struct'));
    return expression.testOnly ? new PresenceNode(attribute) : attribute;
  }

  #index(expression: CallExpression, optional: boolean): Node {
    const [operand, index] = expression.args as [Expression, Expression];
    const attribute = this.#attribute(operand);
    const key = this.plan(index);
    if (key instanceof ConstantNode) {
      if (!isKey(key.value)) throw new PlanFailure(`invalid qualifier type: ${goTypeName(key.value)}`);
      attribute.add(new Step(key.value, optional));
    } else attribute.add(new Step(key instanceof Attribute ? key : new RelativeAttribute(key), optional));
    return attribute;
  }

  #call(expression: CallExpression): Node {
    const { functionName, args, target } = expression;
    switch (functionName) {
      case '_[_]':
        return this.#index(expression, false);
      case '_[?_]':
      case '_?._':
        return this.#index(expression, true);
    }
    const operands = args.map(arg => this.plan(arg));
    if (target) operands.unshift(this.plan(target));
    const [first, second, third] = operands as [Node, Node, Node];
    switch (functionName) {
      case '_&&_':
        return new LogicalNode(first, second, false);
      case '_||_':
        return new LogicalNode(first, second, true);
      case '_?_:_':
        return new ConditionalAttribute(first, asAttribute(second), asAttribute(third));
      case '_==_':
        return new EqualityNode(first, second, equalityCost, false);
      case '_!=_':
        return new EqualityNode(first, second, inequalityCost, true);
    }
    const overloadId = expression.overloads?.length === 1 ? expression.overloads[0]! : '';
    if (operands.length === 2 && (overloadId === '' || overloadId.startsWith('optional_or'))) {
      if (functionName === 'or') return new OptionalOrNode(first, second, false);
      if (functionName === 'orValue') return new OptionalOrNode(first, second, true);
    }
    if (overloadId === 'in_list' && second instanceof ConstantNode) {
      const membership = membershipOf(first, second.value);
      if (membership) return membership;
    }
    const declaration = this.#environment.function(functionName)!;
    const call = callNode(declaration, overloadId, operands);
    const isConstant = conversions.has(functionName) && operands.length === 1 && first instanceof ConstantNode;
    return isConstant ? constant(call) : call;
  }

  #comprehension(expression: ComprehensionExpression): Node {
    const accumulatorPlace = this.localCount++;
    const variablePlace = this.localCount++;
    const variable2Place = expression.variable2 === undefined ? undefined : this.localCount++;
    const initial = this.plan(expression.initial);
    const range = this.plan(expression.range);
    const collects = expression.accumulator === accumulatorName;
    const outer = this.#local;
    const first = (frame: Frame): CelValue => FoldNode.initial(frame, initial, collects);
    const accumulator: Local = {
      name: expression.accumulator,
      attribute: () => new AccumulatorAttribute(accumulatorPlace, first),
      parent: outer,
    };
    const local = (name: string, place: number, parent: Local): Local => ({
      name,
      attribute: () => new LocalAttribute(place),
      parent,
    });
    this.#local = local(expression.variable, variablePlace, accumulator);
    if (variable2Place !== undefined) this.#local = local(expression.variable2!, variable2Place, this.#local);
    const condition = this.plan(expression.condition);
    const step = this.plan(expression.step);
    this.#local = accumulator;
    const result = this.plan(expression.result);
    this.#local = outer;
    return new FoldNode({
      range,
      initial,
      condition,
      step,
      result,
      accumulatorPlace,
      variablePlace,
      variable2Place,
      collects,
    });
  }
}

function asAttribute(node: Node): Attribute {
  return node instanceof Attribute ? node : new RelativeAttribute(node);
}

/** Worked out once, when the program is made. */
function constant(node: Node): ConstantNode {
  const value = node.evaluate(emptyFrame());
  if (value instanceof CelError) throw new PlanFailure(value.message);
  return new ConstantNode(value);
}

function constantIfAll(parts: readonly Node[], node: Node): Node {
  return parts.every(part => part instanceof ConstantNode) ? constant(node) : node;
}

function membershipOf(element: Node, list: CelValue): Node | undefined {
  if (!(list instanceof ListValue)) return undefined;
  if (list.size === 0) return new ConstantNode(false);
  const isSimple = [...list].every(item => ['bool', 'double', 'int', 'string', 'uint'].includes(typeOf(item).kind));
  return isSimple ? new MembershipNode(element, list) : undefined;
}

function callNode(declaration: FunctionDeclaration, overloadId: string, operands: readonly Node[]): Node {
  const cost = callCost(declaration.name, overloadId);
  const nonStrict = declaration.nonStrict ?? false;
  const special = patternSpecialization(declaration.name, operands[1]);
  const { implementation, isDispatch } = special
    ? { implementation: special, isDispatch: true }
    : implementationOf(declaration, overloadId, operands.length);
  const parts = { implementation, cost, nonStrict };
  if (operands.length === 1 && !isDispatch) return new UnaryNode(operands[0]!, parts);
  if (operands.length === 2 && !isDispatch) return new BinaryNode(operands[0]!, operands[1]!, parts);
  return new CallNode(operands, parts);
}

function implementationOf(
  declaration: FunctionDeclaration,
  overloadId: string,
  count: number,
): { implementation: Implementation; isDispatch: boolean } {
  if (declaration.implementation) return { implementation: declaration.implementation, isDispatch: false };
  const chosen = declaration.overloads.find(candidate => candidate.id === overloadId);
  const only = chosen ?? (declaration.overloads.length === 1 ? declaration.overloads[0]! : undefined);
  if (only) {
    if (!only.implementation) throw new PlanFailure(`no such overload: ${declaration.name}`);
    return { implementation: guarded(declaration, only), isDispatch: false };
  }
  const implementation: Implementation = (...values) => {
    const args = values.slice(0, count);
    const match = declaration.overloads.find(
      candidate =>
        candidate.implementation &&
        (declaration.unguarded ? candidate.argumentTypes.length === count : matchesOverload(candidate, args)),
    );
    return match ? match.implementation!(...values) : noMatchingOverload(declaration.name, args);
  };
  return { implementation, isDispatch: true };
}

/** Only what is declared reaches the implementation: the checker lets dyn through. */
function guarded(declaration: FunctionDeclaration, { argumentTypes, implementation }: Overload): Implementation {
  const call = implementation!;
  if (declaration.unguarded || argumentTypes.every(type => type.kind === 'dyn' || type.kind === 'parameter')) return call;
  const [first, second] = argumentTypes;
  if (argumentTypes.length === 1) {
    return (value, ...rest) => (isOfType(value, first!) ? call(value, ...rest) : noMatchingOverload(declaration.name, [value]));
  }
  if (argumentTypes.length === 2) {
    return (left, right, ...rest) =>
      isOfType(left, first!) && isOfType(right, second!)
        ? call(left, right, ...rest)
        : noMatchingOverload(declaration.name, [left, right]);
  }
  return (...values) => {
    const args = values.slice(0, argumentTypes.length);
    if (args.every((value, index) => isOfType(value, argumentTypes[index]!))) return call(...values);
    return noMatchingOverload(declaration.name, args);
  };
}
