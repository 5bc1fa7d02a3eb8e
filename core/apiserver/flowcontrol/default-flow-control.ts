import { generatedData } from '../../api/schema-data.js';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/generated/types.js';

/** The level and the schema that nothing holds up. */
export const exemptName = 'exempt';
/** The level and the schema for what matches nothing else. */
export const catchAllName = 'catch-all';

/** Whether an administrator may bring the object up to date or the server does, at the next change or start. */
export const autoUpdateAnnotation = 'apf.kubernetes.io/autoupdate-spec';

type Defaults = {
  readonly 'flowschemas.flowcontrol.apiserver.k8s.io': readonly FlowSchema[];
  readonly 'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': readonly PriorityLevelConfiguration[];
};

export interface DefaultFlowControl {
  readonly levels: readonly PriorityLevelConfiguration[];
  readonly schemas: readonly FlowSchema[];
}

/** What every cluster begins with, those that it cannot do without last. */
export function defaultFlowControl(): DefaultFlowControl {
  const defaults = generatedData<Defaults>('default-objects');
  const mandatoryLast = <T extends { metadata: { name?: string } }>(objects: readonly T[]): T[] =>
    [false, true].flatMap(mandatory => objects.filter(({ metadata }) => isMandatory(metadata.name!) === mandatory));
  return {
    levels: mandatoryLast(defaults['prioritylevelconfigurations.flowcontrol.apiserver.k8s.io']),
    schemas: mandatoryLast(defaults['flowschemas.flowcontrol.apiserver.k8s.io']),
  };
}

/** The order in which schemas are asked whether a request is theirs. */
export function byPrecedence(a: Readonly<FlowSchema>, b: Readonly<FlowSchema>): number {
  const order = a.spec.matchingPrecedence - b.spec.matchingPrecedence;
  return order || (a.metadata.name! < b.metadata.name! ? -1 : 1);
}

export function isMandatory(name: string): boolean {
  return name === exemptName || name === catchAllName;
}

const mandatory = <T extends { metadata: { name?: string } }>(objects: readonly T[]): ReadonlyMap<string, T> =>
  new Map(objects.filter(({ metadata }) => isMandatory(metadata.name!)).map(object => [object.metadata.name!, object]));

let fixed: { schemas: ReadonlyMap<string, FlowSchema>; levels: ReadonlyMap<string, PriorityLevelConfiguration> } | undefined;

function fixedObjects(): NonNullable<typeof fixed> {
  if (fixed) return fixed;
  const { schemas, levels } = defaultFlowControl();
  fixed = { schemas: mandatory(schemas), levels: mandatory(levels) };
  return fixed;
}

export function mandatoryFlowSchemas(): ReadonlyMap<string, FlowSchema> {
  return fixedObjects().schemas;
}

export function mandatoryPriorityLevels(): ReadonlyMap<string, PriorityLevelConfiguration> {
  return fixedObjects().levels;
}
