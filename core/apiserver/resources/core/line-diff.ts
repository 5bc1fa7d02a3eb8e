const contextLines = 3;

interface Line {
  readonly mark: ' ' | '-' | '+';
  readonly text: string;
}

/** What changed between two JSON values, as a unified diff of their indented text. For messages; quadratic in what differs. */
export function jsonDiff(before: unknown, after: unknown): string {
  const lines = compare(JSON.stringify(before, null, 1).split('\n'), JSON.stringify(after, null, 1).split('\n'));
  let text = '';
  for (let start = 0; start < lines.length;) {
    const first = lines.findIndex((line, index) => index >= start && line.mark !== ' ');
    if (first < 0) break;
    let last = first;
    for (let i = first; i < lines.length && i - last <= 2 * contextLines; i++) if (lines[i]!.mark !== ' ') last = i;
    const from = Math.max(0, first - contextLines);
    const to = Math.min(lines.length, last + contextLines + 1);
    text +=
      header(lines, from, to) +
      lines
        .slice(from, to)
        .map(line => `${line.mark}${line.text}\n`)
        .join('');
    start = to;
  }
  return text;
}

function header(lines: readonly Line[], from: number, to: number): string {
  const count = (mark: '-' | '+', start: number, end: number): number =>
    lines.slice(start, end).filter(line => line.mark === ' ' || line.mark === mark).length;
  const range = (mark: '-' | '+'): string => `${mark}${count(mark, 0, from) + 1},${count(mark, from, to)}`;
  return `@@ ${range('-')} ${range('+')} @@\n`;
}

function compare(before: readonly string[], after: readonly string[]): Line[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < Math.min(before.length, after.length) - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const a = before.slice(head, before.length - tail);
  const b = after.slice(head, after.length - tail);
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i]![j] = a[i] === b[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
    }
  }
  const lines: Line[] = before.slice(0, head).map(text => ({ mark: ' ', text }));
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) lines.push({ mark: ' ', text: a[(j++, i++)]! });
    else if (i < a.length && (j === b.length || common[i + 1]![j]! >= common[i]![j + 1]!))
      lines.push({ mark: '-', text: a[i++]! });
    else lines.push({ mark: '+', text: b[j++]! });
  }
  for (const text of before.slice(before.length - tail)) lines.push({ mark: ' ', text });
  return lines;
}
