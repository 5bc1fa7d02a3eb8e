import { startArchiveRegistry } from './archive-registry.js';

// A process of its own, since it must be in the network of the node.
const [archive, port] = process.argv.slice(2);
await startArchiveRegistry(archive!, Number(port));
process.on('disconnect', () => process.exit());
