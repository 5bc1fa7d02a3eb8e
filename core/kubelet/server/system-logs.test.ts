import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { serveSystemLogs } from './system-logs.js';

describe("the node's own logs", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'system-logs-'));
    await mkdir(join(root, 'sub'));
    await writeFile(join(root, 'sub', 'a<b>.log'), 'words\n');
    await writeFile(join(root, 'empty'), '');
  });
  afterEach(() => rm(root, { recursive: true }));

  async function get(...path: string[]): Promise<string> {
    const response = Object.assign(new PassThrough(), { writeHead: () => response }) as unknown as ServerResponse & PassThrough;
    const said = text(response);
    await serveSystemLogs(response, path, root);
    return said;
  }

  it('are listed and read', async () => {
    expect(await get()).toBe('<pre>\n<a href="empty">empty</a>\n<a href="sub/">sub/</a>\n</pre>\n');
    expect(await get('sub')).toContain('<a href="a%3Cb%3E.log">a&#60;b&#62;.log</a>');
    expect(await get('sub', 'a<b>.log')).toBe('words\n');
    expect(await get('empty')).toBe('');
  });

  it('are nothing beside files below their folder', async () => {
    await expect(get('sub', 'none')).rejects.toMatchObject({ httpStatus: 404 });
    await expect(get('empty', 'x')).rejects.toMatchObject({ httpStatus: 404 });
    await expect(get('../../etc/passwd')).rejects.toMatchObject({ httpStatus: 404 });
    await expect(serveSystemLogs({} as never, ['null'], '/dev')).rejects.toMatchObject({ httpStatus: 403 });
  });
});
