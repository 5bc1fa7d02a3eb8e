export async function parseYaml(body: Buffer): Promise<unknown> { const y = await import('js-yaml'); return y.load(body.toString()); }
export async function toYaml(v: unknown): Promise<string> { const y = await import('js-yaml'); return y.dump(v); }
