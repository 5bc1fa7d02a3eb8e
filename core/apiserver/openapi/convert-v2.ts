import { isJsonObject } from '../../machinery/object.js';
import type { SwaggerDocument } from './merge-v2.js';

type Json = Record<string, unknown>;

/** Of a parameter, what says where it is; all else is its schema. */
const parameterFields = new Set(['name', 'in', 'description', 'required', 'allowEmptyValue']);

/** A document of OpenAPI 3.0 that says what one of 2.0 says. Source: kube-openapi pkg/openapiconv. */
export function convertV2ToV3(document: SwaggerDocument): Json {
  const { info, paths, definitions = {}, parameters = {} } = document;
  const components: Json = { schemas: mapValues(definitions, schemaOf) };
  const shared = Object.entries(parameters).filter(([, parameter]) => member(parameter, 'in') !== 'body');
  if (shared.length > 0) components['parameters'] = Object.fromEntries(shared.map(([name, each]) => [name, parameterOf(each)]));
  return {
    openapi: '3.0.0',
    info: info ?? {},
    paths: mapValues(paths, path => pathOf(path, document)),
    components,
  };
}

function pathOf(path: unknown, document: SwaggerDocument): unknown {
  if (!isJsonObject(path)) return path;
  const { parameters, ...methods } = path;
  return {
    ...mapValues(methods, operation => operationOf(operation, document)),
    ...(Array.isArray(parameters) ? { parameters: parameters.map(parameterOf) } : {}),
  };
}

function operationOf(operation: unknown, document: SwaggerDocument): unknown {
  if (!isJsonObject(operation)) return operation;
  const { consumes, produces, schemes: _schemes, parameters, responses, ...rest } = operation;
  const all = Array.isArray(parameters) ? parameters.map(each => resolved(each, document)) : [];
  const body = all.find(({ parameter }) => member(parameter, 'in') === 'body')?.parameter as Json | undefined;
  const others = all.filter(({ parameter }) => member(parameter, 'in') !== 'body');
  return {
    ...rest,
    ...(others.length > 0 ? { parameters: others.map(({ given }) => parameterOf(given)) } : {}),
    ...(body
      ? {
          requestBody: {
            ...(body['description'] ? { description: body['description'] } : {}),
            content: contentOf(body['schema'], consumes),
            ...(body['required'] ? { required: true } : {}),
          },
        }
      : {}),
    responses: mapValues(isJsonObject(responses) ? responses : {}, response => responseOf(response, produces)),
  };
}

function resolved(given: unknown, { parameters = {} }: SwaggerDocument): { given: unknown; parameter: unknown } {
  const reference = member(given, '$ref');
  const name = typeof reference === 'string' ? reference.replace('#/parameters/', '') : undefined;
  return { given, parameter: name !== undefined && Object.hasOwn(parameters, name) ? parameters[name] : given };
}

function parameterOf(parameter: unknown): unknown {
  if (!isJsonObject(parameter)) return parameter;
  const reference = parameter['$ref'];
  if (typeof reference === 'string') return { $ref: reference.replace('#/parameters/', '#/components/parameters/') };
  const own = Object.entries(parameter).filter(([key]) => parameterFields.has(key) || key.startsWith('x-'));
  const schema = Object.entries(parameter).filter(([key]) => !parameterFields.has(key) && !key.startsWith('x-'));
  return { ...Object.fromEntries(own), schema: schemaOf(Object.fromEntries(schema)) };
}

function responseOf(response: unknown, produces: unknown): unknown {
  if (!isJsonObject(response)) return response;
  const { schema, ...rest } = response;
  return { ...rest, ...(schema === undefined ? {} : { content: contentOf(schema, produces) }) };
}

function contentOf(schema: unknown, types: unknown): Json {
  const known = Array.isArray(types) && types.length > 0 ? types : ['*/*'];
  return Object.fromEntries(known.map(type => [String(type), { schema: schemaOf(schema) }]));
}

function schemaOf(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(schemaOf);
  if (!isJsonObject(schema)) return schema;
  return mapValues(schema, (value, key) =>
    key === '$ref' && typeof value === 'string' ? value.replace('#/definitions/', '#/components/schemas/') : schemaOf(value),
  );
}

function mapValues(object: Readonly<Json>, change: (value: unknown, key: string) => unknown): Json {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));
}

function member(value: unknown, name: string): unknown {
  return isJsonObject(value) ? value[name] : undefined;
}
