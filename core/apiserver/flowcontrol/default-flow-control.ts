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

export function isMandatory(name: string): boolean {
  return name === exemptName || name === catchAllName;
}

const mandatory = <T extends { metadata: { name?: string } }>(objects: readonly T[]): ReadonlyMap<string, T> =>
  new Map(objects.filter(({ metadata }) => isMandatory(metadata.name!)).map(object => [object.metadata.name!, object]));

export function mandatoryFlowSchemas(): ReadonlyMap<string, FlowSchema> {
  return mandatory(defaultFlowControl().schemas);
}

export function mandatoryPriorityLevels(): ReadonlyMap<string, PriorityLevelConfiguration> {
  return mandatory(defaultFlowControl().levels);
}
