import { jsonText } from '../../machinery/codec/json-text.js';
import type { CustomResourceSubresourceScale, Scale } from '../../api/generated/types.js';
import type { FieldErrors } from '../../machinery/field-errors.js';
import { fieldPath } from '../../machinery/field-errors.js';
import type { KubeObject } from '../../machinery/object.js';
import { isJsonObject, setOwn } from '../../machinery/object.js';
import { badRequest, internalError } from '../../machinery/status-error.js';
import type { ObjectSubresource } from '../registry/resource-definition.js';

const int32Maximum = 2 ** 31 - 1;

/** What a write sees where replicas were never set: a write that leaves it there is refused. */
const neverSet = -(2 ** 31);

/** The members that a path such as `.spec.replicas` names. */
export function pathMembers(path: string): string[] {
  return path.replace(/^\./, '').split('.');
}

/** The `scale` subresource over paths of the definition's choice. Source: apiextensions-apiserver pkg/registry/customresource. */
export function customScale(scale: CustomResourceSubresourceScale): ObjectSubresource<KubeObject> {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale;
  const shown = (parent: Readonly<KubeObject>, replicas: number): Scale => {
    const { name, namespace, uid, resourceVersion, creationTimestamp } = parent.metadata;
    const found = labelSelectorPath ? valueAt(parent, labelSelectorPath) : undefined;
    return {
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      metadata: { name, ...(namespace ? { namespace } : {}), uid, resourceVersion, creationTimestamp },
      spec: replicas ? { replicas } : {},
      status: {
        replicas: numberAt(parent, statusReplicasPath) ?? 0,
        ...(typeof found === 'string' && found ? { selector: found } : {}),
      },
    } as Scale;
  };
  return {
    type: 'object',
    kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
    get(parent) {
      const replicas = numberAt(parent, specReplicasPath);
      if (replicas === undefined) throw internalError(new Error(`the spec replicas field "${specReplicasPath}" does not exist`));
      return shown(parent, replicas);
    },
    getForUpdate: parent => shown(parent, numberAt(parent, specReplicasPath) ?? neverSet),
    update(body, parent) {
      const replicas = (body as Scale).spec?.replicas ?? 0;
      if (replicas === neverSet) throw badRequest(`the spec replicas field "${specReplicasPath}" cannot be empty`);
      const names = pathMembers(specReplicasPath);
      const last = names.pop()!;
      let target = parent as unknown as Record<string, unknown>;
      for (const name of names) {
        if (!isJsonObject(target[name])) setOwn(target, name, {});
        target = target[name] as Record<string, unknown>;
      }
      setOwn(target, last, replicas);
    },
  };
}

/** Replicas are whole and not too many, the selector is text. */
export function validateScale(
  object: KubeObject,
  scale: CustomResourceSubresourceScale,
  part: 'spec' | 'status',
  errors: FieldErrors,
): void {
  const path = part === 'spec' ? scale.specReplicasPath : scale.statusReplicasPath;
  const notAMap = mapFault(object, path);
  if (notAMap !== undefined) errors.invalid(fieldPath(path), 0, notAMap);
  const value = valueAt(object, path);
  if (value !== undefined) {
    if (typeof value !== 'bigint' && !Number.isInteger(value)) {
      errors.invalid(fieldPath(path), 0, accessorError(path, value, 'int64'));
    } else if ((value as number | bigint) < 0)
      errors.invalid(fieldPath(path), value as number | bigint, 'should be a non-negative integer');
    else if ((value as number | bigint) > int32Maximum)
      errors.invalid(fieldPath(path), value as number | bigint, `should be less than or equal to ${int32Maximum}`);
  }
  const { labelSelectorPath } = scale;
  if (part !== 'status' || !labelSelectorPath) return;
  const selectorFault = mapFault(object, labelSelectorPath);
  if (selectorFault !== undefined) errors.invalid(fieldPath(labelSelectorPath), '', selectorFault);
  const selector = valueAt(object, labelSelectorPath);
  if (selector === undefined || typeof selector === 'string') return;
  errors.invalid(fieldPath(labelSelectorPath), '', accessorError(labelSelectorPath, selector, 'string'));
}

/** What is wrong with what lies on the way to a value. */
function mapFault(object: unknown, path: string): string | undefined {
  const names = pathMembers(path);
  let value = object;
  for (const name of names) {
    if (!isJsonObject(value)) return accessorError(path, value, 'map[string]interface{}');
    if (!Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return undefined;
}

function accessorError(path: string, value: unknown, expected: string): string {
  const types: Readonly<Record<string, string>> = { boolean: 'bool', number: 'float64', object: 'map[string]interface {}' };
  const actual = value === null ? '<nil>' : Array.isArray(value) ? '[]interface {}' : (types[typeof value] ?? typeof value);
  const shown = value === null ? '<nil>' : typeof value === 'object' ? jsonText(value) : String(value as string);
  return `.${pathMembers(path).join('.')} accessor error: ${shown} is of the type ${actual}, expected ${expected}`;
}

function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const name of pathMembers(path)) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function numberAt(object: unknown, path: string): number | undefined {
  const value = valueAt(object, path);
  if (value === undefined) return undefined;
  if (typeof value === 'bigint') return Number(BigInt.asIntN(32, value));
  if (typeof value !== 'number') throw internalError(new Error(accessorError(path, value, 'int64')));
  return value;
}
