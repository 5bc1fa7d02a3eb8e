/** Webhooks with conditions, each for objects of its own, by a label. */
export interface ConditionedWebhook {
  readonly expressions: readonly string[];
  readonly failurePolicy?: string;
}

const ten = '[1,2,3,4,5,6,7,8,9,10]';
const costly = `${ten}.all(a, ${ten}.all(b, ${ten}.all(c, ${ten}.all(d, ${ten}.all(e, ${ten}.all(f, true))))))`;
/** An error that shows a text. */
const shown = (text: string): string => `{"": true}[${text}]`;
const keys = (of: string, ...names: string[]): string =>
  shown(`${JSON.stringify(names)}.filter(k, k in ${of}).join(",") + string(${of}.size())`);

const one = (...expressions: string[]): ConditionedWebhook => ({ expressions });

export const conditionedWebhooks: readonly ConditionedWebhook[] = [
  one('true'),
  one('true', 'false'),
  one('object.none == 1', 'true'),
  one('object.none == 1', 'false'),
  one('object.none == 1', 'oldObject.none.more == 1', 'object.none == 1', 'true'),
  one(' object.none == 1 '),
  { expressions: ['object.none == 1'], failurePolicy: 'Ignore' },
  { expressions: ['object.none == 1', 'false'], failurePolicy: 'Ignore' },
  one('object == null'),
  one('oldObject == null'),
  one('object.metadata.name == oldObject.metadata.name'),
  one('object == oldObject'),
  one('has(object.metadata.creationTimestamp)'),
  one('has(object.status)'),
  one('object.metadata.labels["condition"] == "c"'),
  one('object.metadata.labels.condition.startsWith("c") && object.metadata.labels.size() == 1'),
  one(keys('object', 'kind', 'apiVersion', 'metadata', 'spec', 'status', 'data')),
  one(keys('object.metadata', 'name', 'namespace', 'uid', 'creationTimestamp', 'labels', 'managedFields', 'generation')),
  one(keys('object.spec.template.spec', 'containers', 'restartPolicy', 'securityContext', 'schedulerName')),
  one(keys('object.spec.template.spec.containers[0]', 'name', 'image', 'resources', 'imagePullPolicy')),
  one('object.spec.template.spec.containers.all(c, c.resources == {})'),
  one('object.spec.replicas + 1 == 1'),
  one('object.spec.replicas + 1.0 == 1.0'),
  one('type(object.spec.replicas) == int && type(object.metadata) == map'),
  one('has(oldObject.metadata.uid) && oldObject.metadata.uid != ""'),
  one(keys('dyn(request)', 'uid', 'object', 'oldObject', 'options', 'dryRun', 'subResource')),
  one(keys('dyn(request.kind)', 'group', 'version', 'kind')),
  one('request.kind == request.requestKind && request.resource == request.requestResource'),
  one(shown('request.operation + request.namespace + request.name + request.kind.kind + request.resource.resource')),
  one('request.dryRun'),
  one('has(request.subResource)'),
  one('request.subResource == ""'),
  one(keys('request.options', 'kind', 'apiVersion', 'dryRun', 'fieldManager', 'propagationPolicy')),
  one('request.options.fieldManager == "me"'),
  one('has(request.userInfo.username) && "system:masters" in request.userInfo.groups'),
  one('request.userInfo.uid == "x"'),
  one('namespaceObject == null'),
  one('namespaceObject.metadata.name == "hooked"'),
  one('has(namespaceObject.metadata.labels)'),
  one('authorizer.requestResource.check("get").allowed()'),
  one(shown('authorizer.requestResource.check("get").reason()')),
  one('authorizer.serviceAccount("hooked", "x").group("apps").resource("deployments").check("get").allowed()'),
  one(shown('authorizer.serviceAccount("hooked", "x").group("apps").resource("deployments").check("get").reason()')),
  one(shown('authorizer.serviceAccount("hooked", "x").path("/healthz").check("get").reason()')),
  one('authorizer.serviceAccount("A", "x").path("/healthz").check("get").allowed()'),
  one('authorizer.serviceAccount("hooked", "A_").path("/healthz").check("get").allowed()'),
  one('authorizer.path("").check("get").allowed()'),
  one('authorizer.group("").resource("").check("get").allowed()'),
  one('authorizer.group("").resource("x").fieldSelector("a in").check("get").errored()'),
  one('authorizer == authorizer'),
  one('authorizer.requestResource.check("get").error() == ""'),
  one('1 / 0 == 1'),
  one('[1][object.metadata.name.size()] == 1'),
  one('int(object.metadata.name) == 1'),
  one('object.metadata.name + "x" == "x"'),
  one('object.metadata.name + object.metadata == "x"'),
  one('object.metadata.name == 1'),
  one('object.metadata.name.matches(object.metadata.name + "(")'),
  one('quantity(object.metadata.name).isInteger()'),
  one('object.data.x.contains("y")'),
  one('object.?data.?x.orValue("y") == "y"'),
  one(costly),
  one(costly, 'false'),
  one('false', costly, costly, costly),
  { expressions: ['true', costly, costly, costly], failurePolicy: 'Ignore' },
  one('true\n  && object.none == 1'),
];
