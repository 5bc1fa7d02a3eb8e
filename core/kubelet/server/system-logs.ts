import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { errorCode } from '../../base/errors.js';
import { HttpProblem } from './http-problem.js';

/** `/logs/`: the node's own log files, for who may read `nodes/log`. `path` has neither empty segments nor dots. */
export async function serveSystemLogs(response: ServerResponse, path: readonly string[], root = '/var/log'): Promise<void> {
  const place = join(root, ...path);
  // A name is one segment, whatever was encoded in it.
  if (path.some(segment => /[/\0]/.test(segment))) throw new HttpProblem(404, '404 page not found');
  try {
    const found = await stat(place);
    if (found.isDirectory()) return sendListing(response, await listing(place));
    // A pipe or a device would never end.
    if (!found.isFile()) throw new HttpProblem(403, `${path.join('/')} is no file`);
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
    await pipeline(createReadStream(place, { end: Math.max(0, found.size - 1) }), response);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') throw new HttpProblem(404, '404 page not found', error);
    throw error;
  }
}

async function listing(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries.map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
}

function sendListing(response: ServerResponse, names: readonly string[]): void {
  const lines = names.map(name => `<a href="${encodeURI(name)}">${name.replaceAll(/[<>&"]/g, htmlOf)}</a>\n`);
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(`<pre>\n${lines.join('')}</pre>\n`);
}

function htmlOf(sign: string): string {
  return `&#${sign.charCodeAt(0)};`;
}
