import { expect, it } from '@jest/globals';
import { loadTypes } from '../../api/schema-data.js';
import type { DiscoveredResource } from '../discovery/discovery.js';
import { OpenApi } from './openapi.js';

it('an index that could not be built once is built again', async () => {
  let isBroken = true;
  const data = { version: 'v1', name: 'configmaps', singularName: 'configmap', namespaced: true, kind: 'ConfigMap' };
  const openApi = new OpenApi({
    resources: [{ group: '', data, verbs: ['get'], subresources: [] } as unknown as DiscoveredResource],
    types: loadTypes(''),
    describe: () => {
      if (isBroken) throw new Error('no descriptions today');
      return undefined;
    },
    version: '1.36',
  });
  await expect(openApi.index()).rejects.toThrow('no descriptions today');
  isBroken = false;
  const { bytes } = await openApi.index();
  expect(Object.keys((JSON.parse(bytes.toString()) as { paths: object }).paths)).toContain('api/v1');
});
