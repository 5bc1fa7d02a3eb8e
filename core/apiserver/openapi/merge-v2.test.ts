import { describe, expect, it } from '@jest/globals';
import { convertV2ToV3 } from './convert-v2.js';
import { filteredByPath, mergeInto } from './merge-v2.js';

const ref = (name: string, part = 'definitions'): object => ({ $ref: `#/${part}/${name}` });

describe('Swagger documents', () => {
  it('are cut down to some paths and what these need', () => {
    const document = {
      paths: { '/a/x': { get: { schema: ref('A'), parameters: [ref('P', 'parameters')] } }, '/b': { get: ref('B') } },
      definitions: { A: { properties: { inner: { items: ref('C~1D') } } }, 'C/D': ref('A'), B: {}, __proto__: {} },
      parameters: { P: { name: 'p' }, Q: {} },
    };
    const kept = filteredByPath(document, '/a/');
    expect(kept).toEqual({
      paths: { '/a/x': document.paths['/a/x'] },
      definitions: { A: document.definitions.A, 'C/D': document.definitions['C/D'] },
      parameters: { P: { name: 'p' } },
    });
  });

  it('are merged: words make no difference, other things of one name get names of their own', () => {
    const document = {
      paths: { '/a': { is: 'ours' } },
      definitions: { Meta: { description: 'ours', type: 'object' }, Pod: { type: 'string' }, Pod_v2: { type: 'number' } },
    };
    const other = {
      paths: { '/a': { is: 'theirs' }, '/b': { schemas: [ref('Pod'), ref('Meta')] } },
      definitions: {
        Meta: { type: 'object', description: 'theirs', 'x-kubernetes-group-version-kind': [] },
        Pod: { type: 'object', properties: { own: ref('Pod'), description: { type: 'string' } } },
      },
    };
    mergeInto(document, other);
    expect(document).toEqual({
      paths: { '/a': { is: 'ours' }, '/b': { schemas: [ref('Pod_v3'), ref('Meta')] } },
      definitions: {
        Meta: { description: 'ours', type: 'object' },
        Pod: { type: 'string' },
        Pod_v2: { type: 'number' },
        Pod_v3: { type: 'object', properties: { own: ref('Pod_v3'), description: { type: 'string' } } },
      },
      parameters: {},
    });
  });

  it('are said in OpenAPI 3', () => {
    const converted = convertV2ToV3({
      swagger: '2.0',
      info: { title: 't', version: 'v' },
      definitions: { A: { properties: { b: ref('B') } }, B: { type: 'string' } },
      parameters: {
        body: { name: 'body', in: 'body', required: true, schema: ref('A') },
        page: { name: 'page', in: 'query', type: 'integer' },
      },
      paths: {
        '/a': {
          parameters: [{ name: 'ns', in: 'path', required: true, type: 'string', uniqueItems: true }],
          post: {
            consumes: ['application/json'],
            produces: ['application/json', 'application/yaml'],
            schemes: ['https'],
            operationId: 'make',
            parameters: [ref('body', 'parameters'), ref('page', 'parameters')],
            responses: { 200: { description: 'OK', schema: ref('A') }, 401: { description: 'no' } },
          },
        },
      },
    });
    const schema = { $ref: '#/components/schemas/A' };
    expect(converted).toEqual({
      openapi: '3.0.0',
      info: { title: 't', version: 'v' },
      components: {
        schemas: { A: { properties: { b: { $ref: '#/components/schemas/B' } } }, B: { type: 'string' } },
        parameters: { page: { name: 'page', in: 'query', schema: { type: 'integer' } } },
      },
      paths: {
        '/a': {
          parameters: [{ name: 'ns', in: 'path', required: true, schema: { type: 'string', uniqueItems: true } }],
          post: {
            operationId: 'make',
            parameters: [{ $ref: '#/components/parameters/page' }],
            requestBody: { content: { 'application/json': { schema } }, required: true },
            responses: {
              200: { description: 'OK', content: { 'application/json': { schema }, 'application/yaml': { schema } } },
              401: { description: 'no' },
            },
          },
        },
      },
    });
  });
});
