import type { LoadBalancerStatus, Service, ServicePort, ServiceSpec } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateLabels } from '../../../machinery/label-selector.js';
import { parseAddress, validatePortNumber } from '../../../machinery/names.js';
import {
  addInvalid,
  dnsLabel,
  dnsSubdomain,
  legacyCidr,
  legacyIp,
  qualifiedName,
  required,
  requiredOneOf,
  supported,
} from './checks.js';
import { validateEndpointAddress } from './endpoint-addresses.js';
import { validatePortNumberOrName } from './handler-validation.js';
import {
  familyOf,
  isExternallyAccessible,
  isHeadless,
  isLoadBalancer,
  needsClusterIp,
  needsHealthCheck,
} from './service-facts.js';

const specPath = fieldPath('spec');
const hintsAnnotation = 'service.kubernetes.io/topology-aware-hints';
const modeAnnotation = 'service.kubernetes.io/topology-mode';
const rangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const protocols = ['SCTP', 'TCP', 'UDP'];
const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
const maximumAffinitySeconds = 86400;

/** Source: validateService. */
export function validateService(service: Service, old: Readonly<Service> | undefined, errors: FieldErrors): void {
  const { spec, metadata } = service;
  const ports = spec.ports ?? [];
  const hints = metadata.annotations?.[hintsAnnotation];
  const mode = metadata.annotations?.[modeAnnotation];
  if (mode !== undefined && hints !== undefined && mode !== hints) {
    const path = fieldPath('metadata', 'annotations').key(modeAnnotation);
    errors.invalid(path, mode, `must match annotations[${hintsAnnotation}] when both are specified`);
  }
  if (!ports.length && !isHeadless(service) && spec.type !== 'ExternalName') errors.required(specPath.child('ports'));
  validateType(service, errors);
  const names = new Set<string>();
  ports.forEach((port, index) => {
    validatePort(port, specPath.child('ports').index(index), errors, { needsName: ports.length > 1, names });
  });
  if (spec.selector) validateLabels(spec.selector, specPath.child('selector'), errors);
  validateAffinity(spec, errors);
  validateServiceAddresses(service, old, errors);
  spec.externalIPs?.forEach((address, index) => {
    const before = errors.list.length;
    const at = specPath.child('externalIPs').index(index);
    legacyIp(errors, at, address, old?.spec.externalIPs);
    if (errors.list.length === before) validateEndpointAddress(errors, at, address);
  });
  requiredOneOf(errors, specPath.child('type'), spec.type, types);
  validatePortsTogether(service, errors);
  validateSourceRanges(service, old, errors);
  if (spec.allocateLoadBalancerNodePorts !== undefined && !isLoadBalancer(service)) {
    errors.forbidden(specPath.child('allocateLoadBalancerNodePorts'), "may only be used when `type` is 'LoadBalancer'");
  }
  if (spec.allocateLoadBalancerNodePorts === undefined && isLoadBalancer(service))
    errors.required(fieldPath('allocateLoadBalancerNodePorts'));
  validateLoadBalancerClass(service, errors);
  validateTraffic(service, errors);
}

function validateType(service: Service, errors: FieldErrors): void {
  const { spec } = service;
  if ((spec.type === 'LoadBalancer' || spec.type === 'NodePort') && isHeadless(service)) {
    const text = `may not be set to 'None' for ${spec.type} services`;
    errors.invalid(specPath.child('clusterIPs').index(0), spec.clusterIPs![0], text);
  }
  if (spec.type !== 'ExternalName') return;
  const text = 'may not be set for ExternalName services';
  if (spec.clusterIPs?.length) errors.forbidden(specPath.child('clusterIPs'), text);
  if (spec.ipFamilies?.length) errors.forbidden(specPath.child('ipFamilies'), text);
  if (spec.ipFamilyPolicy !== undefined) errors.forbidden(specPath.child('ipFamilyPolicy'), text);
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (required(errors, specPath.child('externalName'), name)) dnsSubdomain(errors, specPath.child('externalName'), name);
}

function validatePort(
  port: ServicePort,
  path: FieldPath,
  errors: FieldErrors,
  { needsName, names }: { needsName: boolean; names: Set<string> },
): void {
  if (port.name) {
    dnsLabel(errors, path.child('name'), port.name);
    if (names.has(port.name)) errors.duplicate(path.child('name'), port.name);
    names.add(port.name);
  } else if (needsName) errors.required(path.child('name'));
  addInvalid(errors, path.child('port'), port.port, validatePortNumber(port.port));
  requiredOneOf(errors, path.child('protocol'), port.protocol, protocols);
  validatePortNumberOrName(errors, path.child('targetPort'), port.targetPort);
  if (port.appProtocol !== undefined) qualifiedName(errors, path.child('appProtocol'), port.appProtocol);
}

function validateAffinity({ sessionAffinity, sessionAffinityConfig: config }: ServiceSpec, errors: FieldErrors): void {
  requiredOneOf(errors, specPath.child('sessionAffinity'), sessionAffinity, ['ClientIP', 'None']);
  const path = specPath.child('sessionAffinityConfig');
  if (sessionAffinity === 'None' && config) errors.forbidden(path, 'must not be set when session affinity is None');
  if (sessionAffinity !== 'ClientIP') return;
  const text = 'when session affinity type is ClientIP';
  const seconds = config?.clientIP?.timeoutSeconds;
  if (!config) errors.required(path, text);
  else if (!config.clientIP) errors.required(path.child('clientIP'), text);
  else if (seconds === undefined) errors.required(path.child('clientIP', 'timeoutSeconds'), text);
  else if (seconds <= 0 || seconds > maximumAffinitySeconds) {
    errors.invalid(
      path.child('clientIP', 'timeoutSeconds'),
      seconds,
      `must be greater than 0 and less than ${maximumAffinitySeconds}`,
    );
  }
}

/** Source: ValidateServiceClusterIPsRelatedFields. */
export function validateServiceAddresses(
  service: Readonly<Service>,
  old: Readonly<Service> | undefined,
  errors: FieldErrors,
): void {
  if (!needsClusterIp(service)) return;
  const { clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = service.spec;
  const path = specPath.child('clusterIPs');
  if (clusterIP) {
    if (!clusterIPs.length) errors.required(path);
    else if (clusterIPs[0] !== clusterIP) errors.invalid(path, clusterIPs, 'first value must match `clusterIP`');
  } else if (clusterIPs.length) errors.invalid(path, clusterIPs, 'must be empty when `clusterIP` is not specified');
  ipFamilies.forEach((family, index) => {
    const at = specPath.child('ipFamilies').index(index);
    supported(errors, at, family, ['IPv4', 'IPv6']);
    if (ipFamilies.indexOf(family) < index) errors.duplicate(at, family);
  });
  if (ipFamilyPolicy !== undefined) {
    supported(errors, specPath.child('ipFamilyPolicy'), ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack']);
  }
  const before = errors.list.length;
  let hasInvalid = false;
  clusterIPs.forEach((address, index) => {
    if (index === 0 && address === 'None') {
      if (clusterIPs.length === 1) return;
      errors.invalid(path, clusterIPs, "'None' must be the first and only value");
      return;
    }
    legacyIp(errors, path.index(index), address, old?.spec.clusterIPs);
  });
  hasInvalid = errors.list.length > before;
  if (clusterIPs.length > 2) errors.invalid(path, clusterIPs, 'may only hold up to 2 values');
  if (hasInvalid) return;
  if (clusterIPs.length > 1 && new Set(clusterIPs.map(familyOf)).size < 2) {
    errors.invalid(path, clusterIPs, 'may specify no more than one IP for each IP family');
  }
  if (isHeadless(service)) return;
  clusterIPs.slice(0, ipFamilies.length).forEach((address, index) => {
    const family = ipFamilies[index]!;
    if ((family !== 'IPv4' && family !== 'IPv6') || familyOf(address) === family) return;
    errors.invalid(path.index(index), address, `expected an ${family} value as indicated by \`ipFamilies[${index}]\``);
  });
}

function validatePortsTogether({ spec }: Service, errors: FieldErrors): void {
  const nodePorts = new Set<string>();
  const ports = new Set<string>();
  const list = spec.ports ?? [];
  const pathOf = (index: number): FieldPath => specPath.child('ports').index(index);
  if (spec.type === 'ClusterIP') {
    list.forEach(({ nodePort }, index) => {
      if (nodePort) errors.forbidden(pathOf(index).child('nodePort'), "may not be used when `type` is 'ClusterIP'");
    });
  }
  list.forEach(({ nodePort, protocol }, index) => {
    if (!nodePort) return;
    const key = `${protocol}/${nodePort}`;
    if (nodePorts.has(key)) errors.duplicate(pathOf(index).child('nodePort'), nodePort);
    nodePorts.add(key);
  });
  list.forEach(({ port, protocol = '' }, index) => {
    const key = `${protocol}/${port}`;
    if (ports.has(key)) errors.duplicate(pathOf(index), internalValue('core.ServicePort', { protocol, port }));
    ports.add(key);
  });
}

function validateSourceRanges(service: Service, old: Readonly<Service> | undefined, errors: FieldErrors): void {
  const { spec, metadata } = service;
  const text = "may only be used when `type` is 'LoadBalancer'";
  const annotation = metadata.annotations?.[rangesAnnotation];
  if (spec.loadBalancerSourceRanges?.length) {
    const path = specPath.child('LoadBalancerSourceRanges');
    if (!isLoadBalancer(service)) errors.forbidden(path, text);
    const before = old?.spec.loadBalancerSourceRanges?.map(range => range.trim());
    spec.loadBalancerSourceRanges.forEach((range, index) => legacyCidr(errors, path.index(index), range.trim(), before));
  } else if (annotation !== undefined) {
    const path = fieldPath('metadata', 'annotations').key(rangesAnnotation);
    if (!isLoadBalancer(service)) errors.forbidden(path, text);
    if (old?.metadata.annotations?.[rangesAnnotation] === annotation || annotation.trim() === '') return;
    for (const range of annotation.trim().split(',')) legacyCidr(errors, path, range.trim());
  }
}

function validateLoadBalancerClass(service: Service, errors: FieldErrors): void {
  const { loadBalancerClass } = service.spec;
  if (loadBalancerClass === undefined) return;
  const path = specPath.child('loadBalancerClass');
  if (isLoadBalancer(service)) qualifiedName(errors, path, loadBalancerClass);
  else errors.forbidden(path, "may only be used when `type` is 'LoadBalancer'");
}

function validateTraffic(service: Service, errors: FieldErrors): void {
  const { externalTrafficPolicy, healthCheckNodePort, internalTrafficPolicy, trafficDistribution } = service.spec;
  const external = specPath.child('externalTrafficPolicy');
  if (isExternallyAccessible(service)) requiredOneOf(errors, external, externalTrafficPolicy, ['Cluster', 'Local']);
  else if (externalTrafficPolicy)
    errors.invalid(external, externalTrafficPolicy, 'may only be set for externally-accessible services');
  const health = specPath.child('healthCheckNodePort');
  if (needsHealthCheck(service)) {
    if (!healthCheckNodePort) errors.required(health);
    else addInvalid(errors, health, healthCheckNodePort, validatePortNumber(healthCheckNodePort));
  } else if (healthCheckNodePort) {
    const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.invalid(health, healthCheckNodePort, text);
  }
  const internal = specPath.child('internalTrafficPolicy');
  if (internalTrafficPolicy !== undefined) supported(errors, internal, internalTrafficPolicy, ['Cluster', 'Local']);
  else if (['NodePort', 'LoadBalancer', 'ClusterIP'].includes(service.spec.type ?? '')) errors.required(internal);
  if (trafficDistribution !== undefined)
    supported(errors, specPath.child('trafficDistribution'), trafficDistribution, distributions);
}

/** Source: ValidateServiceUpdate. */
export function validateServiceUpdate(service: Service, old: Readonly<Service>, errors: FieldErrors): void {
  validateAddressChange(service, old, errors);
  validateFamilyChange(service, old, errors);
  const { loadBalancerClass } = service.spec;
  if (isLoadBalancer(old) && isLoadBalancer(service) && old.spec.loadBalancerClass !== loadBalancerClass) {
    errors.invalid(specPath.child('loadBalancerClass'), loadBalancerClass, 'may not change once set');
  }
  validateLoadBalancerClass(service, errors);
  if (needsHealthCheck(old) && needsHealthCheck(service) && old.spec.healthCheckNodePort !== service.spec.healthCheckNodePort) {
    errors.forbidden(specPath.child('healthCheckNodePort'), 'field is immutable');
  }
  validateService(service, old, errors);
}

const fixedText = 'may not change once set';

function validateAddressChange(service: Service, old: Readonly<Service>, errors: FieldErrors): void {
  if (!needsClusterIp(service) || !needsClusterIp(old) || (isHeadless(old) && isHeadless(service))) return;
  const before = old.spec.clusterIPs ?? [];
  const after = service.spec.clusterIPs ?? [];
  const path = specPath.child('clusterIPs');
  if (before.length === after.length) {
    before.forEach((address, index) => {
      if (address !== after[index]) errors.invalid(path.index(index), after, fixedText);
    });
    return;
  }
  const isShorter = before.length > after.length;
  if (isShorter && !after.length) errors.invalid(path.index(0), after, 'primary clusterIP can not be unset');
  if (before.length && after.length && before[0] !== after[0]) errors.invalid(path.index(0), after, fixedText);
  if (isShorter && after.length === 1 && service.spec.ipFamilyPolicy !== 'SingleStack') {
    const text = "must be set to 'SingleStack' when releasing the secondary clusterIP";
    errors.invalid(specPath.child('ipFamilyPolicy'), service.spec.ipFamilyPolicy, text);
  }
}

function validateFamilyChange(service: Service, old: Readonly<Service>, errors: FieldErrors): void {
  if (!needsClusterIp(service) || !needsClusterIp(old) || isHeadless(old) || isHeadless(service)) return;
  const before = old.spec.ipFamilies ?? [];
  const after = service.spec.ipFamilies ?? [];
  const path = specPath.child('ipFamilies').index(0);
  if (before.length === after.length) {
    before.forEach((family, index) => {
      if (family !== after[index]) errors.invalid(path, after, fixedText);
    });
    return;
  }
  const isShorter = before.length > after.length;
  if (isShorter && !service.spec.clusterIPs?.length) errors.invalid(path, after, 'primary ipFamily can not be unset');
  if (before.length && after.length && before[0] !== after[0]) errors.invalid(path, service.spec.clusterIPs, fixedText);
  if (isShorter && after.length === 1 && service.spec.ipFamilyPolicy !== 'SingleStack') {
    const text = "must be set to 'SingleStack' when releasing the secondary ipFamily";
    errors.invalid(specPath.child('ipFamilyPolicy'), service.spec.ipFamilyPolicy, text);
  }
}

/** What a load balancer tells of itself; `ingress`es of Services and Ingresses. Source: ValidateLoadBalancerStatus. */
export function validateLoadBalancerStatus(service: Readonly<Service>, old: Readonly<Service>, errors: FieldErrors): void {
  const status: LoadBalancerStatus = service.status?.loadBalancer ?? {};
  const path = fieldPath('status', 'loadBalancer', 'ingress');
  if (!status.ingress?.length) return;
  if (!isLoadBalancer(service)) return errors.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'");
  const known = (old.status?.loadBalancer?.ingress ?? []).map(ingress => ingress.ip ?? '');
  for (const [index, { ip, hostname, ipMode }] of status.ingress.entries()) {
    const at = path.index(index);
    if (ip) legacyIp(errors, at.child('ip'), ip, known);
    if (ipMode === undefined) {
      if (ip) errors.required(at.child('ipMode'), 'must be specified when `ip` is set');
    } else if (!ip) errors.forbidden(at.child('ipMode'), 'may not be specified when `ip` is not set');
    else supported(errors, at.child('ipMode'), ipMode, ['Proxy', 'VIP']);
    if (!hostname) continue;
    dnsSubdomain(errors, at.child('hostname'), hostname);
    if (parseAddress(hostname)) errors.invalid(at.child('hostname'), hostname, 'must be a DNS name, not an IP address');
  }
}
