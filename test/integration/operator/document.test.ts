import { expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const read = (path: string): Promise<string> => readFile(`${root}${path}`, 'utf8');

it('docs/testing-operators.md quotes code that is compiled and run', async () => {
  const folder = 'test/integration/operator/';
  const files = await Promise.all([read(`${folder}website-operator.ts`), read(`${folder}website-operator.test.ts`)]);
  const quotes = [...(await read('docs/testing-operators.md')).matchAll(/```ts\n(.*?)```/gs)].map(match => match[1]!);
  expect(quotes.length).toBeGreaterThan(4);
  expect(quotes.filter(quote => !files.some(file => file.includes(quote)))).toEqual([]);
});
