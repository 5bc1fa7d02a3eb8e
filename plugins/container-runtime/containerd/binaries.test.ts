import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkBinaries, importArguments, prepareBinaries } from './binaries.js';

describe('programs on PATH', () => {
  const path = process.env['PATH'];
  let directory: string;
  const put = (name: string, line: string): void => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${line}\n`);
    chmodSync(join(directory, name), 0o755);
  };
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'binaries-'));
    process.env['PATH'] = directory;
    for (const name of ['containerd-shim-runc-v2', 'ctr']) put(name, 'exit 0');
    put('containerd', "echo 'containerd github.com/containerd/containerd/v2 2.1.9 abc'");
    put('runc', 'echo runc version 1.3.6; echo spec: 1.2.0');
  });
  afterEach(() => {
    process.env['PATH'] = path;
    rmSync(directory, { recursive: true, force: true });
  });

  it('tell their versions', async () => {
    expect(await prepareBinaries('path', '')).toEqual({
      containerd: join(directory, 'containerd'),
      ctr: join(directory, 'ctr'),
      runc: join(directory, 'runc'),
      version: 'containerd github.com/containerd/containerd/v2 2.1.9 abc runc version 1.3.6',
      searchPath: [],
      environment: {},
      importArguments: ['--local'],
    });
  });

  it('that do not run are told of', async () => {
    put('runc', 'echo no such library >&2; exit 127');
    await expect(checkBinaries('path')).rejects.toMatchObject({
      code: 'RUNTIME_BINARY_MISSING',
      message: expect.stringContaining(`${join(directory, 'runc')} cannot be run`),
    });
  });
});

it('knows which ctr leaves imports to the server', () => {
  expect(importArguments('containerd 1.6.20~ds1-1+deb12u3')).toEqual([]);
  expect(importArguments('containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6')).toEqual([]);
  expect(importArguments('containerd github.com/containerd/containerd/v2 v2.0.0 abc')).toEqual(['--local']);
  expect(importArguments('containerd github.com/containerd/containerd/v2 10.0.1')).toEqual(['--local']);
  expect(importArguments('containerd of my own')).toEqual(['--local']);
});
