import type { ApiOperation, ApiParameter, ApiPath } from './operations.js';
import { answerNames } from './render-v3.js';
import type { OpenApiSchema, SchemaBuilder } from './schema-builder.js';

/** Paths in the form of OpenAPI 2.0; what they refer to is asked of `schemas`. Query parameters stand once, in `parameters`. */
export function renderPathsV2(
  paths: readonly ApiPath[],
  schemas: SchemaBuilder,
): { paths: Record<string, OpenApiSchema>; parameters: Record<string, OpenApiSchema> } {
  const shared = new Map<string, OpenApiSchema>();
  const use = (parameter: ApiParameter): OpenApiSchema => {
    if (parameter.in === 'path') return renderParameter(parameter);
    // The same name may be a number here and a word there.
    const key = `${parameter.name}-${parameter.type}`;
    if (!shared.has(key)) shared.set(key, renderParameter(parameter));
    return { $ref: `#/parameters/${key}` };
  };
  const rendered = paths.map(({ path, parameters, operations }) => [
    path,
    {
      ...Object.fromEntries(
        Object.entries(operations).map(([method, operation]) => [method, renderOperation(operation, schemas, use)]),
      ),
      ...(parameters.length > 0 && { parameters: parameters.map(use) }),
    },
  ]);
  return {
    paths: Object.fromEntries(rendered) as Record<string, OpenApiSchema>,
    parameters: Object.fromEntries([...shared].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function renderOperation(
  operation: ApiOperation,
  schemas: SchemaBuilder,
  use: (parameter: ApiParameter) => OpenApiSchema,
): OpenApiSchema {
  const { body, consumes, produces } = operation;
  const parameters = operation.parameters.map(use);
  if (body) {
    parameters.unshift({
      name: 'body',
      in: 'body',
      ...(body.required && { required: true }),
      schema: schemas.reference(body.type),
    });
  }
  const answers = Object.entries(operation.answers).map(([code, answer]) => [
    code,
    { description: answerNames[code], schema: answer === 'text' ? { type: 'string' } : schemas.reference(answer.type) },
  ]);
  return {
    description: operation.description,
    ...(consumes?.length !== 0 && { consumes: consumes ?? ['*/*'] }),
    produces: produces.length ? produces : ['*/*'],
    schemes: ['https'],
    tags: [operation.tag],
    operationId: operation.id,
    ...(parameters.length > 0 && { parameters }),
    responses: { ...(Object.fromEntries(answers) as OpenApiSchema), 401: { description: 'Unauthorized' } },
    ...(operation.action && { 'x-kubernetes-action': operation.action }),
    ...(operation.kind && { 'x-kubernetes-group-version-kind': operation.kind }),
  };
}

function renderParameter(parameter: ApiParameter): OpenApiSchema {
  return {
    uniqueItems: true,
    type: parameter.type,
    ...(parameter.description && { description: parameter.description }),
    name: parameter.name,
    in: parameter.in,
    ...(parameter.in === 'path' && { required: true }),
  };
}
