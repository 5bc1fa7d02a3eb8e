import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** What tests with a real runtime may leave on the host; everything of theirs carries the mark. */
export function hostLeftovers(mark: string): string[] {
  return [...processes(mark), ...mounts(mark), ...namespaces(mark), ...cgroups(mark)].sort();
}

function processes(mark: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const words = read(`/proc/${pid}/cmdline`).split('\0');
    if (/(containerd|runc)/.test(words[0] ?? '') && words.some(word => word.includes(mark))) {
      found.push(`process ${pid} ${words.join(' ').trim()}`);
    }
  }
  return found;
}

function mounts(mark: string): string[] {
  const lines = read('/proc/self/mountinfo').split('\n');
  return lines
    .map(line => line.split(' ')[4] ?? '')
    .filter(place => place.includes(mark))
    .map(place => `mount ${place}`);
}

function namespaces(mark: string): string[] {
  return entries('/run/netns')
    .filter(name => name.includes(mark))
    .map(name => `network namespace ${name}`);
}

function cgroups(mark: string): string[] {
  const roots = ['/sys/fs/cgroup', ...entries('/sys/fs/cgroup').map(name => join('/sys/fs/cgroup', name))];
  return roots.flatMap(root =>
    entries(root)
      .filter(name => name.includes(mark))
      .map(name => `cgroup ${join(root, name)}`),
  );
}

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Processes end while they are looked at.
    return '';
  }
}
