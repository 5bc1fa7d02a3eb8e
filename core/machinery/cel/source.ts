/** A place in an expression: an index of UTF-16 units; -1 where there is none. */
export type Offset = number;

/** Something wrong with an expression, found before it runs. */
export interface CelIssue {
  readonly offset: Offset;
  readonly message: string;
}

const maximumIssues = 100;
const maximumSnippetBytes = 16384;

/**
 * The issues of one expression, printed as cel-go prints them: `ERROR: <input>:1:5: ...`, the line, and a caret under the
 * place. Clients and tests read this text.
 */
export class CelIssues {
  readonly #issues: CelIssue[] = [];
  #count = 0;

  constructor(readonly source: string) {}

  report(offset: Offset, message: string): void {
    this.#count++;
    if (this.#count <= maximumIssues) this.#issues.push({ offset, message });
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get list(): readonly CelIssue[] {
    return this.#issues;
  }

  toString(): string {
    const sorted = this.#issues.toSorted((left, right) => left.offset - right.offset);
    const lines = sorted.map(issue => formatIssue(this.source, issue));
    if (this.#count > maximumIssues) lines.push(`${this.#count - maximumIssues} more errors were truncated`);
    return lines.join('\n');
  }
}

/** Line from 1 and column from 0, counted in code points. */
export function locate(source: string, offset: Offset): { line: number; column: number } {
  if (offset < 0) return { line: -1, column: -1 };
  let line = 1;
  let lineStart = 0;
  for (let next = source.indexOf('\n'); next !== -1 && next < offset; next = source.indexOf('\n', lineStart)) {
    line++;
    lineStart = next + 1;
  }
  return { line, column: codePointCount(source.slice(lineStart, offset)) };
}

export function codePointCount(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index++) {
    if ((text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) {
      count--;
      index++;
    }
  }
  return count;
}

function formatIssue(source: string, issue: CelIssue): string {
  // No text has no first column, and no line to show.
  if (source === '') return `ERROR: <input>:1:0: ${issue.message}`;
  const { line, column } = locate(source, issue.offset);
  const head = `ERROR: <input>:${line}:${column + 1}: ${issue.message}`;
  const text = line < 1 ? undefined : source.split('\n')[line - 1];
  if (text === undefined || Buffer.byteLength(text) > maximumSnippetBytes) return head;
  const snippet = text.replaceAll('\t', ' ');
  const characters = [...snippet];
  const dots = characters.slice(0, column).map(character => (character > '\x7f' ? '\uff0e' : '.'));
  const caret = (characters[column] ?? '') > '\x7f' ? '\uff3e' : '^';
  return `${head}\n | ${snippet}\n | ${dots.join('')}${caret}`;
}
