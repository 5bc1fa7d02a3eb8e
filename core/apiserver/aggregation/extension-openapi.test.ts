import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { ExtensionOpenApi } from './extension-openapi.js';
import { FakeExtension } from './testing/fake-extension.js';

const path = '/apis/fish.example.com/v1/fishes';
const swagger = {
  swagger: '2.0',
  info: { title: 'fish', version: '1' },
  paths: { [path]: { get: { responses: { 200: { description: 'OK' } } } }, '/version': {} },
};

describe('the OpenAPI documents of extension servers', () => {
  let clock: FakeClock;
  let fish: FakeExtension;
  let openApi: ExtensionOpenApi;

  beforeEach(() => {
    clock = new FakeClock();
    fish = new FakeExtension(({ path: asked }) =>
      asked === '/openapi/v3'
        ? { body: { paths: { 'apis/fish.example.com/v1': { serverRelativeURL: '/x' }, version: {} } } }
        : { body: swagger, headers: { etag: '"1"' } },
    );
    openApi = new ExtensionOpenApi({ clock, logger: silentLogger, servers: () => [fish.server] });
  });

  it('are asked for when somebody asks, and not again within a minute', async () => {
    await clock.advance(600_000);
    expect(fish.paths).toEqual([]);
    const found = await Promise.all([openApi.index(), openApi.index()]);
    expect(found.map(index => [...index])).toEqual([[['apis/fish.example.com/v1', '/x']], [['apis/fish.example.com/v1', '/x']]]);
    const stamp = await openApi.stampV2();
    expect(openApi.documentsV2().map(({ paths }) => Object.keys(paths))).toEqual([[path]]);
    await clock.advance(59_999);
    await openApi.index();
    expect(fish.paths).toEqual(['/openapi/v3', '/openapi/v2']);
    fish.answer = () => ({ status: 304 });
    await clock.advance(1);
    expect(await openApi.stampV2()).toBe(stamp);
    expect(fish.asked[2]!.headers).toMatchObject({ 'if-none-match': '"1"' });
    expect(openApi.documentsV2()).toHaveLength(1);
  });

  it('stay as they were while the server does not answer, or answers nonsense', async () => {
    await openApi.index();
    await openApi.stampV2();
    for (const answer of [
      () => ({ status: 500 }),
      () => ({ body: 'no json' }),
      () => ({ body: { paths: 7 } }),
      () => ({
        body: { ...swagger, definitions: { a: { unknown: 1 } }, paths: { [path]: { bogus: { $ref: '#/definitions/a' } } } },
      }),
      () => Promise.reject(new Error('refused')),
    ]) {
      fish.answer = answer;
      await clock.advance(60_000);
      await openApi.stampV2();
      expect(openApi.documentsV2().map(({ paths }) => Object.keys(paths))).toEqual([[path]]);
    }
    const before = fish.paths.length;
    await openApi.stampV2();
    expect(fish.paths).toHaveLength(before);
    await clock.advance(10_000);
    await openApi.stampV2();
    expect(fish.paths).toHaveLength(before + 1);
    fish.isAvailable = false;
    await clock.advance(600_000);
    expect([...(await openApi.index()).keys()]).toEqual(['apis/fish.example.com/v1']);
    expect(fish.paths).toHaveLength(before + 1);
  });

  it('are made of the older form where there is no newer one', async () => {
    fish.answer = ({ path: asked }) => (asked === '/openapi/v3' ? { status: 404 } : { body: swagger });
    expect((await openApi.find('apis/fish.example.com/v1'))!.document!.content).toMatchObject({
      openapi: '3.0.0',
      paths: { [path]: {} },
    });
    expect(await openApi.find('apis/fish.example.com/v2')).toBeUndefined();
    fish.answer = () => ({ status: 404 });
    await clock.advance(60_000);
    expect(await openApi.find('apis/fish.example.com/v1')).toBeUndefined();
  });
});
