/** How a plugin extends what the API server serves and checks. Re-exported by `index.ts`. */
export { AdmissionPlugin } from '../contracts/admission.js';
export type { AdmissionAttributes } from '../contracts/admission.js';
export { ApiGroup } from '../contracts/api-group.js';
export type { ApiResource, StoredApiResource, VirtualApiResource } from '../contracts/api-group.js';
export { MetricsSource } from '../contracts/metrics-source.js';
export type { ContainerUsage, NodeUsage, PodUsage, UsageSample } from '../contracts/metrics-source.js';
export { ResourceCatalogue } from '../contracts/resource-catalogue.js';
export type { CataloguedResource } from '../contracts/resource-catalogue.js';
export { groupData } from '../api/schema-data.js';
export type { ColumnData, GroupData, ResourceData } from '../api/schema-data.js';
export type { FieldSchema, TypeSchema } from '../machinery/schema.js';
export { parseYamlDocuments } from '../machinery/codec/yaml.js';
export { formatTime, formatDuration } from '../machinery/time.js';
export { ageOf } from '../machinery/human-duration.js';
export { formatApiVersion, isJsonObject, parseApiVersion } from '../machinery/object.js';
export { serviceUnavailable } from '../machinery/status-error.js';
