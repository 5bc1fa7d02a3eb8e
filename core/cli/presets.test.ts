import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from '../../test/support/command-line.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'preset-package-'));
  await writeFile(join(dir, 'config.yaml'), '');
});
afterAll(() => rm(dir, { recursive: true }));

async function install(name: string, manifest: object, files: Readonly<Record<string, string>> = {}): Promise<void> {
  const home = join(dir, 'node_modules', name);
  await mkdir(home, { recursive: true });
  const whole = { name, version: '1.0.0', type: 'module', keywords: ['k3s-preset'], ...manifest };
  await writeFile(join(home, 'package.json'), JSON.stringify(whole));
  for (const [file, text] of Object.entries(files)) await writeFile(join(home, file), text);
}

const view = (preset: string) =>
  launch(dir, ['config', 'view', '--config', join(dir, 'config.yaml'), '--preset', preset]).outcome;

const yaml = 'from: edge\nslots: {datastore: memory}\nflags: {https-listen-port: 7443}\n';

describe('a preset from a package', () => {
  it.each([
    ['k3s-preset-shop', { exports: './preset.yaml' }, { 'preset.yaml': yaml }],
    ['@shop/edge', { main: './preset.json' }, { 'preset.json': '{"flags": {"https-listen-port": 7443}}' }],
    [
      'k3s-preset-code',
      { exports: './index.js' },
      { 'index.js': `export const preset = { flags: { 'https-listen-port': 7443 } };` },
    ],
  ])('%s is used by its name', async (name, manifest, files) => {
    await install(name, manifest, files);
    const { code, output, errors } = await view(name);
    expect([code, errors]).toEqual([0, '']);
    expect(output).toMatch(/^https-listen-port: 7443 +# preset (k3s-preset-shop|edge|k3s-preset-code)$/m);
  });

  it('is used by the path of its directory', async () => {
    await install('by-path', { exports: './preset.yaml' }, { 'preset.yaml': yaml });
    expect((await view('./node_modules/by-path')).output).toContain('# preset by-path');
  });

  it.each([
    ['not-there', undefined, {}, 'unknown preset "not-there" (there are ci,'],
    [
      'no-preset',
      { keywords: [], main: 'a.yaml' },
      { 'a.yaml': yaml },
      '--preset no-preset: the package is no preset, it lacks the keyword "k3s-preset"',
    ],
    ['nothing', { main: 'index.js' }, { 'index.js': 'export const other = 1;' }, '--preset nothing: must be a map'],
    ['throws', { main: 'index.js' }, { 'index.js': `throw new Error('no luck');` }, '--preset throws: cannot be loaded: no luck'],
    [
      'bad-slot',
      { main: 'a.yaml' },
      { 'a.yaml': 'slots: {datastor: memory}' },
      '--preset bad-slot: unknown slot "datastor" (did you mean "datastore"?)',
    ],
    ['bad-value', { main: 'a.yaml' }, { 'a.yaml': 'flags: {debug: maybe}' }, 'preset: debug must be true or false, not "maybe"'],
    ['Bad Name', undefined, {}, 'unknown preset "Bad Name"'],
  ])('%s is refused in one line', async (name, manifest, files, problem) => {
    if (manifest) await install(name, manifest, files);
    const { code, errors } = await view(name);
    expect(code).toBe(1);
    expect(errors.trimEnd().split('\n')).toEqual([expect.stringContaining(`error: ${problem}`)]);
  });
});
