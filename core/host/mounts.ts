import { readFile } from 'node:fs/promises';

/** Mount points at and below a directory, in the order in which they were mounted. */
export async function mountPoints(directory: string): Promise<string[]> {
  const points: string[] = [];
  for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')) {
    const point = line
      .split(' ')[4]
      ?.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
    if (point !== undefined && (point === directory || point.startsWith(`${directory}/`))) points.push(point);
  }
  return points;
}
