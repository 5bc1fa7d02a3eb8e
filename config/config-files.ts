import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCode, errorText } from '../core/base/errors.js';
import { configError } from './config-errors.js';

/** What one key says after all files were merged, and the file that said it last. */
export interface FileValue {
  readonly value: unknown;
  readonly file: string;
}

export interface ConfigFiles {
  /** In the order they were read. */
  readonly files: readonly string[];
  readonly values: ReadonlyMap<string, FileValue>;
}

/**
 * Reads `path` and then `path.d/*.yaml` and `*.yml` in the order of their names. The last file wins a key; `key+` appends to what
 * the files before say. A file that is missing is an error only when the user named it. Source: K3s documentation, "Multiple Config
 * Files" and "Value Merge Behavior".
 */
export async function readConfigFiles(path: string, namedByUser: boolean): Promise<ConfigFiles> {
  const values = new Map<string, FileValue>();
  const files: string[] = [];
  const main = await readIfThere(path);
  if (main === undefined && namedByUser) {
    throw configError('CONFIG_FILE', `configuration file ${path} does not exist`, { mend: 'check --config or K3S_CONFIG_FILE' });
  }
  const texts: [string, string][] = main === undefined ? [] : [[path, main]];
  for (const file of await dropIns(`${path}.d`)) {
    const text = await readIfThere(file);
    if (text !== undefined) texts.push([file, text]);
  }
  for (const [file, text] of texts) {
    merge(values, await parse(file, text), file);
    files.push(file);
  }
  return { files, values };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw configError('CONFIG_FILE', `configuration file ${path} cannot be read: ${errorText(error)}`, { cause: error });
  }
}

async function dropIns(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names
      .filter(name => /\.ya?ml$/.test(name))
      .sort()
      .map(name => join(directory, name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw configError('CONFIG_FILE', `configuration directory ${directory} cannot be read: ${errorText(error)}`, {
      cause: error,
    });
  }
}

async function parse(file: string, text: string): Promise<Map<string, unknown>> {
  const yaml = await import('js-yaml');
  let documents: unknown[];
  try {
    documents = yaml.loadAll(text, { filename: basename(file) });
  } catch (error) {
    const line = /\((?:.*:)?(\d+):\d+\)/.exec(errorText(error))?.[1];
    const place = line === undefined ? file : `${file}, line ${line}`;
    const reason = (error as { reason?: unknown }).reason;
    const text = typeof reason === 'string' ? reason : errorText(error).split('\n', 1)[0];
    throw configError('CONFIG_FILE', `${place}: not valid YAML: ${text}`, { cause: error });
  }
  if (documents.length > 1) throw configError('CONFIG_FILE', `${file}: more than one YAML document`);
  const document = documents[0] ?? {};
  if (typeof document !== 'object' || Array.isArray(document)) {
    throw configError('CONFIG_FILE', `${file}: must be a map of flag names to values`);
  }
  return new Map(Object.entries(document));
}

function merge(values: Map<string, FileValue>, document: Map<string, unknown>, file: string): void {
  for (const [key, value] of document) {
    if (!key.endsWith('+')) {
      values.set(key, { value, file });
      continue;
    }
    const name = key.slice(0, -1);
    const before = values.get(name);
    values.set(name, { value: before === undefined ? value : append(before.value, value), file });
  }
}

function append(before: unknown, value: unknown): unknown {
  if (isMap(before) && isMap(value)) return { ...before, ...value };
  return [before, value].flat();
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
