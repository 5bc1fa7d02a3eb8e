// Writes docs/flags.md and config/k3s-config.schema.json from the built tables: `node scripts/flags.mjs` after a build.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const { flagReference } = await import(path.join(root, 'dist', 'core', 'cluster', 'flag-reference.js'));
const { markdown, schemaJson } = flagReference();
fs.writeFileSync(path.join(root, 'docs', 'flags.md'), markdown);
fs.writeFileSync(path.join(root, 'config', 'k3s-config.schema.json'), schemaJson);
