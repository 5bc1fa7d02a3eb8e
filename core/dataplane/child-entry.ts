// Started by `child-process.ts`, never imported.
import { runChild } from './child-main.js';

await runChild(process.argv.slice(2));
