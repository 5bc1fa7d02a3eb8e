import type { ConfigMapNodeConfigSource, Node, NodeConfigSource, NodeSpec } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { Nodes } from '../../../api/generated/resources.js';
import type { PodConnector } from '../../../contracts/pod-connector.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath, quote } from '../../../machinery/field-errors.js';
import { parseCidr, validateConfigMapKey, validateLabelValue, validateQualifiedName } from '../../../machinery/names.js';
import { cloneJson } from '../../../machinery/object.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { serviceUnavailable } from '../../../machinery/status-error.js';
import { age } from '../../handlers/table.js';
import type { ResourceDefinition, RowContext } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import { addInvalid, cidrWarnings, legacyCidr, namespaceName, objectName, positive, required, requiredOneOf } from './checks.js';
import { proxyMethods } from './pod-connect.js';
import { splitProxyName } from './proxy-names.js';
import { roundResourceList, validateResourceQuantity } from './resource-names.js';
import { taintEffects } from './scheduling-validation.js';

const specPath = fieldPath('spec');
const statusPath = fieldPath('status');
const featureName = /^[A-Z][a-zA-Z0-9]*(?:\/[a-zA-Z][a-zA-Z0-9]*)*$/;
const maximumFeatureName = 253;
const rolePrefix = 'node-role.kubernetes.io/';
const roleLabel = 'kubernetes.io/role';

export function nodeDefinition({ connector }: { connector?: PodConnector | undefined } = {}): ResourceDefinition {
  return defineResource<Node>({
    reference: Nodes,
    storagePrefix: 'minions',
    generation: false,
    resetFields: statusResetFields,
    defaults: defaultNode,
    prepareForCreate(node) {
      delete node.spec.configSource;
      delete node.status?.config;
    },
    prepareForUpdate(node, old) {
      node.status = cloneJson(old.status);
      if (!old.spec.configSource) delete node.spec.configSource;
    },
    validate: validateNode,
    checks: { update: ['object', 'validate', 'change', 'validateUpdate'] },
    validateUpdate: validateNodeUpdate,
    warnings: node => nodeWarnings(node.spec),
    row: nodeRow,
    selectableFields: { 'spec.unschedulable': node => String(node.spec.unschedulable ?? false) },
    subresources: {
      status: {
        ...statusSubresource<Node>({ validateUpdate: validateNodeUpdate }),
        prepareForUpdate(node, old) {
          node.spec = cloneJson(old.spec);
          if (!old.status?.config) delete node.status?.config;
        },
      },
      proxy: {
        type: 'connect',
        methods: proxyMethods,
        async connect(find, stream, { name: asked }) {
          const { scheme, name, port } = splitProxyName('node', asked);
          const node = await find(name);
          if (!connector) throw serviceUnavailable('no node connection');
          await connector.nodeProxy(node as Node, stream, {
            path: stream.path || '/',
            ...(scheme === 'http' || scheme === 'https' ? { scheme } : {}),
            ...(port ? { port: Number(port) } : {}),
          });
        },
      },
    },
  });
}

function defaultNode({ spec, status }: Node): void {
  if (spec.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR];
  else if (!spec.podCIDR && spec.podCIDRs?.[0]) spec.podCIDR = spec.podCIDRs[0];
  if (!status) return;
  if (status.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
  roundResourceList(status.capacity);
  roundResourceList(status.allocatable);
}

/** Source: ValidateNode. */
function validateNode(node: Node, errors: FieldErrors): void {
  // Upstream names taints as if they were metadata.
  validateTaints(node.spec.taints ?? [], fieldPath('metadata', 'taints'), errors);
  validateCapacity(node, errors);
  const swap = node.status?.nodeInfo?.swap?.capacity;
  if (swap !== undefined) positive(errors, fieldPath('metadata', 'nodeSwapStatus', 'capacity'), swap);
  validateFeatures(node.status?.declaredFeatures ?? [], statusPath.child('declaredFeatures'), errors);
  const cidrs = node.spec.podCIDRs ?? [];
  const path = specPath.child('podCIDRs');
  cidrs.forEach((cidr, index) => legacyCidr(errors, path.index(index), cidr));
  if (cidrs.length > 1) {
    const families = cidrs.map(cidr => parseCidr(cidr)?.address.family);
    const bad = families.indexOf(undefined);
    if (bad >= 0) {
      const reason = `invalid CIDR[${bad}]: <nil> (invalid CIDR address: ${cidrs[bad]})`;
      errors.add('InternalError', path, `Internal error: invalid PodCIDRs. failed to check with dual stack with error:${reason}`);
    }
    if (bad >= 0 || cidrs.length > 2 || families[0] === families[1]) {
      errors.invalid(path, cidrs, 'may specify no more than one CIDR for each IP family');
    }
  }
}

function validateTaints(taints: NonNullable<NodeSpec['taints']>, path: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, taint] of taints.entries()) {
    const at = path.index(index);
    const { key, value = '', effect } = taint;
    addInvalid(errors, at.child('key'), key, validateQualifiedName(key));
    const texts = validateLabelValue(value);
    if (texts.length) errors.invalid(at.child('value'), value, texts.join(';'));
    requiredOneOf(errors, at.child('effect'), effect, taintEffects);
    const pair = `${effect}/${key}`;
    if (seen.has(pair)) {
      const shown = internalValue('core.Taint', taint).text;
      errors.add('FieldValueDuplicate', at, `Duplicate value: ${shown}: taints must be unique by key and effect pair`);
    }
    seen.add(pair);
  }
}

function validateCapacity({ status }: Node, errors: FieldErrors): void {
  for (const list of ['capacity', 'allocatable'] as const) {
    const amounts = status?.[list];
    for (const name in amounts)
      validateResourceQuantity(errors, statusPath.child(list, name), name, parseQuantity(amounts[name]!));
  }
}

function validateFeatures(features: readonly string[], path: FieldPath, errors: FieldErrors): void {
  for (const [index, feature] of features.entries()) {
    if (feature.length > maximumFeatureName) {
      errors.invalid(
        path.index(index),
        feature,
        `invalid feature name ${quote(feature)}: must be no more than ${maximumFeatureName} characters`,
      );
    } else if (!featureName.test(feature)) {
      const form =
        "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes";
      errors.invalid(path.index(index), feature, `invalid feature name ${quote(feature)}: ${form}`);
    }
    const next = features[index + 1];
    if (next === undefined) continue;
    if (feature === next) errors.duplicate(path.index(index + 1), next);
    else if (feature > next) errors.invalid(path.index(index + 1), next, 'list must be sorted alphabetically');
  }
}

/** Source: ValidateNodeUpdate. */
function validateNodeUpdate(node: Node, old: Readonly<Node>, errors: FieldErrors): void {
  validateCapacity(node, errors);
  validateFeatures(node.status?.declaredFeatures ?? [], statusPath.child('declaredFeatures'), errors);
  const seen = new Set<string>();
  for (const [index, address] of (node.status?.addresses ?? []).entries()) {
    const key = `${address.type} ${address.address}`;
    if (seen.has(key)) errors.duplicate(statusPath.child('addresses').index(index), internalValue('core.NodeAddress', address));
    seen.add(key);
  }
  const before = old.spec.podCIDRs ?? [];
  const after = node.spec.podCIDRs ?? [];
  if (before.length) {
    const text = 'node updates may not change podCIDR except from "" to valid';
    const changes = before.length === after.length ? before.filter((cidr, index) => cidr !== after[index]).length : 1;
    for (let i = 0; i < changes; i++) errors.forbidden(specPath.child('podCIDRs'), text);
  }
  if (old.spec.providerID && old.spec.providerID !== node.spec.providerID) {
    errors.forbidden(specPath.child('providerID'), 'node updates may not change providerID except from "" to valid');
  }
  if (node.spec.configSource) validateConfigSource(node.spec.configSource, specPath.child('configSource'), errors, false);
  for (const field of ['assigned', 'active', 'lastKnownGood'] as const) {
    const source = node.status?.config?.[field];
    if (source) validateConfigSource(source, statusPath.child('config', field), errors, true);
  }
  validateTaints(node.spec.taints ?? [], fieldPath('metadata', 'taints'), errors);
  if ((node.spec.externalID ?? '') !== (old.spec.externalID ?? ''))
    errors.forbidden(specPath.child('externalID'), 'may not be updated');
}

function validateConfigSource(source: NodeConfigSource, path: FieldPath, errors: FieldErrors, inStatus: boolean): void {
  if (!source.configMap)
    return errors.invalid(
      path,
      internalValue('*core.NodeConfigSource', source),
      'exactly one reference subfield must be non-nil',
    );
  const at = path.child('configMap');
  const { uid, resourceVersion, namespace, name, kubeletConfigKey }: ConfigMapNodeConfigSource = source.configMap;
  if (inStatus) {
    required(errors, at.child('uid'), uid);
    required(errors, at.child('resourceVersion'), resourceVersion);
  } else {
    if (uid) errors.forbidden(at.child('uid'), 'uid must not be set in spec');
    if (resourceVersion) errors.forbidden(at.child('resourceVersion'), 'resourceVersion must not be set in spec');
  }
  if (required(errors, at.child('namespace'), namespace)) namespaceName(errors, at.child('namespace'), namespace);
  if (required(errors, at.child('name'), name)) objectName(errors, at.child('name'), name);
  if (required(errors, at.child('kubeletConfigKey'), kubeletConfigKey)) {
    addInvalid(errors, at.child('kubeletConfigKey'), kubeletConfigKey, validateConfigMapKey(kubeletConfigKey));
  }
}

function nodeWarnings(spec: NodeSpec): string[] {
  const warnings: string[] = [];
  if (spec.configSource) warnings.push('spec.configSource: the feature is removed');
  if (spec.externalID) warnings.push('spec.externalID: this field is deprecated, and is unused by Kubernetes');
  spec.podCIDRs?.forEach((cidr, index) => warnings.push(...cidrWarnings(specPath.child('podCIDRs').index(index), cidr)));
  return warnings;
}

/** Source: printNode. */
function nodeRow(node: Readonly<Node>, context: RowContext): readonly unknown[] {
  const { spec, status } = node;
  const ready = status?.conditions?.findLast(({ type }) => type === 'Ready');
  const state = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  const info = status?.nodeInfo;
  const address = (wanted: string): string => status?.addresses?.find(({ type }) => type === wanted)?.address ?? '<none>';
  return [
    node.metadata.name,
    spec.unschedulable ? `${state},SchedulingDisabled` : state,
    rolesOf(node).join(',') || '<none>',
    age(node, context),
    info?.kubeletVersion ?? '',
    address('InternalIP'),
    address('ExternalIP'),
    info?.osImage || '<unknown>',
    (info?.kernelVersion || '<unknown>') + (info?.architecture ? ` (${info.architecture})` : ''),
    info?.containerRuntimeVersion || '<unknown>',
  ];
}

function rolesOf({ metadata: { labels = {} } }: Readonly<Node>): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(rolePrefix)) {
      if (key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    } else if (key === roleLabel && value) roles.add(value);
  }
  return [...roles].sort();
}
