import { ImageRegistry } from './image-registry.js';

/** A registry in the network namespace that this process was started in; it ends with its input. */
const registry = await new ImageRegistry({ images: process.argv.slice(2) }).start();
process.stdout.write(`${registry.host}\n`);
process.stdin.resume().once('end', () => void registry.stop());
