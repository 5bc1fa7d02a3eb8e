import type { ApiOperation, ApiParameter, ApiPath } from './operations.js';
import type { OpenApiSchema, SchemaBuilder } from './schema-builder.js';

/** Paths in the form of OpenAPI 3.0; what they refer to is asked of `schemas`. */
export function renderPathsV3(paths: readonly ApiPath[], schemas: SchemaBuilder): Record<string, OpenApiSchema> {
  return Object.fromEntries(
    paths.map(({ path, parameters, operations }) => [
      path,
      {
        ...Object.fromEntries(
          Object.entries(operations).map(([method, operation]) => [method, renderOperation(operation, schemas)]),
        ),
        ...(parameters.length > 0 && { parameters: parameters.map(renderParameter) }),
      },
    ]),
  );
}

function renderOperation(operation: ApiOperation, schemas: SchemaBuilder): OpenApiSchema {
  const { body, consumes, produces, parameters } = operation;
  const content = (media: readonly string[], schema: OpenApiSchema): OpenApiSchema =>
    Object.fromEntries(media.map(name => [name, { schema }]));
  const answers = Object.entries(operation.answers).map(([code, answer]) => [
    code,
    {
      description: answerNames[code],
      content: content(
        produces.length ? produces : ['*/*'],
        answer === 'text' ? { type: 'string' } : schemas.reference(answer.type),
      ),
    },
  ]);
  return {
    tags: [operation.tag],
    description: operation.description,
    operationId: operation.id,
    ...(parameters.length > 0 && { parameters: parameters.map(renderParameter) }),
    ...(body && {
      requestBody: {
        content: content(consumes ?? ['*/*'], schemas.reference(body.type)),
        ...(body.required && { required: true }),
      },
    }),
    responses: { ...(Object.fromEntries(answers) as OpenApiSchema), 401: { description: 'Unauthorized' } },
    ...(operation.action && { 'x-kubernetes-action': operation.action }),
    ...(operation.kind && { 'x-kubernetes-group-version-kind': operation.kind }),
  };
}

export const answerNames: Readonly<Record<string, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };

function renderParameter(parameter: ApiParameter): OpenApiSchema {
  return {
    name: parameter.name,
    in: parameter.in,
    ...(parameter.description && { description: parameter.description }),
    ...(parameter.in === 'path' && { required: true }),
    schema: { type: parameter.type, uniqueItems: true },
  };
}
