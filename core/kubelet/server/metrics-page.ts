/** Prometheus' text format, version 0.0.4. */
export class MetricsPage {
  readonly #lines: string[] = [];
  #name = '';

  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  family(name: string, type: 'counter' | 'gauge', help: string): void {
    this.#name = name;
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  sample(labels: Readonly<Record<string, string>>, value: number, timeMs?: number): void {
    const pairs = Object.entries(labels).map(([name, text]) => `${name}="${text.replaceAll(/[\\"\n]/g, escaped)}"`);
    const list = pairs.length > 0 ? `{${pairs.join(',')}}` : '';
    this.#lines.push(`${this.#name}${list} ${value}${timeMs === undefined ? '' : ` ${Math.round(timeMs)}`}`);
  }
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}
