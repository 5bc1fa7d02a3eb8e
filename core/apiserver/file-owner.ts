import { chown, readFile } from 'node:fs/promises';
import { CodedError } from '../base/errors.js';

/** Gives a file to a group, by name or number, and leaves its owner. Throws `GROUP_UNKNOWN`, or what the system says. */
export async function setFileGroup(path: string, group: string, groupFile = '/etc/group'): Promise<void> {
  await chown(path, -1, await groupId(group, groupFile));
}

async function groupId(group: string, groupFile: string): Promise<number> {
  for (const line of (await readFile(groupFile, 'utf8')).split('\n')) {
    const [name, , id] = line.split(':');
    if (name === group && id !== undefined && /^\d+$/.test(id)) return Number(id);
  }
  if (/^\d+$/.test(group)) return Number(group);
  throw new CodedError('GROUP_UNKNOWN', `there is no group "${group}"`);
}
