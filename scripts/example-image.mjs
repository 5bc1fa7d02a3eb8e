// Builds the image of examples/app and examples/chart, k3s.local/example-web:1, from Debian's busybox-static: no Docker, no registry.
// The archive (docker layout) goes into the folder that a running server imports images from.
//   node scripts/example-image.mjs [--data-dir DIR] [--output FILE] [--busybox FILE]
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory, fetchPackages } from './runtime/fetch.mjs';

export const imageName = 'k3s.local/example-web:1';

const applets = [
  'cat date echo env false grep hostname httpd id ls mkdir mv nc nslookup ping printf ps rm rmdir sed sh sleep sort tail',
  'test touch true wc wget',
].flatMap(line => line.split(' '));

// The lock is a directory: mkdir is atomic, and a holder that died gives it up after two seconds.
const answerScript = `#!/bin/sh
counter=\${COUNTER_FILE:-/data/counter}
count=none
if [ -d "\${counter%/*}" ]; then
  tries=0
  until mkdir "$counter.lock" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -gt 20 ] && break
    sleep 0.1
  done
  count=$(($(cat "$counter" 2>/dev/null || echo 0) + 1))
  echo $count >"$counter.new" && mv "$counter.new" "$counter" || count=unwritable
  rmdir "$counter.lock" 2>/dev/null
fi
printf 'Content-Type: text/plain\\r\\nCache-Control: no-store\\r\\n\\r\\n'
echo "hostname: $(hostname)"
echo "greeting: \${GREETING:-none}"
echo "message: $(cat /etc/example/message 2>/dev/null || echo none)"
echo "secret: $([ -n "$PASSWORD" ] && [ "$PASSWORD" = "$(cat /etc/example-secret/password 2>/dev/null)" ] && echo same || echo none)"
echo "count: $count"
`;

const files = {
  'etc/passwd': 'root:x:0:0:root:/:/bin/sh\nweb:x:1000:1000:web:/:/bin/sh\n',
  'etc/group': 'root:x:0:\nweb:x:1000:\n',
  'www/healthz': 'ok\n',
};

/** The archive as bytes: the same input gives the same bytes. */
export function buildImage(busybox, architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch) {
  const layer = tar([
    ...['bin/', 'data/', 'etc/', 'www/', 'www/cgi-bin/'].map(name => ({ name, mode: name === 'data/' ? 0o777 : 0o755 })),
    { name: 'tmp/', mode: 0o1777 },
    { name: 'bin/busybox', mode: 0o755, content: busybox },
    ...applets.map(name => ({ name: `bin/${name}`, mode: 0o777, link: 'busybox' })),
    ...Object.entries(files).map(([name, text]) => ({ name, mode: 0o644, content: Buffer.from(text) })),
    { name: 'www/cgi-bin/index.cgi', mode: 0o755, content: Buffer.from(answerScript) },
  ]);
  const layerDigest = sha256(layer);
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: {
        Entrypoint: ['/bin/httpd', '-f', '-p', '8080', '-h', '/www'],
        Env: ['PATH=/bin'],
        ExposedPorts: { '8080/tcp': {} },
        User: '1000:1000',
        WorkingDir: '/',
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
      history: [{ created: '1970-01-01T00:00:00Z', created_by: 'scripts/example-image.mjs' }],
    }),
  );
  const configName = `${sha256(config)}.json`;
  const manifest = [{ Config: configName, RepoTags: [imageName], Layers: [`${layerDigest}.tar`] }];
  return tar([
    { name: `${layerDigest}.tar`, mode: 0o644, content: layer },
    { name: configName, mode: 0o644, content: config },
    { name: 'manifest.json', mode: 0o644, content: Buffer.from(JSON.stringify(manifest)) },
  ]);
}

/** Debian's static busybox, from the cache of unpacked packages. */
export function fetchBusybox(log) {
  // Apart from the runtime's packages, which must not change because of an example.
  const directory = path.join(path.dirname(cacheDirectory()), 'debian-examples');
  const manifest = fetchPackages(['busybox-static'], { directory, log });
  const folder = manifest.packages.find(({ name }) => name === 'busybox-static').directory;
  const found = ['bin/busybox', 'usr/bin/busybox'].map(name => path.join(directory, folder, name)).find(fs.existsSync);
  if (!found) throw new Error('the package busybox-static has no busybox');
  return found;
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A tar archive (ustar) of directories, files and symbolic links, all root's, at time 0. */
function tar(entries) {
  const parts = [];
  for (const { name, mode, content, link } of entries) {
    const type = link !== undefined ? '2' : content === undefined ? '5' : '0';
    parts.push(header({ name, mode, size: content?.length ?? 0, type, link: link ?? '' }));
    if (content) parts.push(content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function header({ name, mode, size, type, link }) {
  const block = Buffer.alloc(512);
  const octal = (value, at, length) => block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  if (Buffer.byteLength(name) > 100) throw new Error(`the name ${name} is too long for this archive`);
  block.write(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(link, 157);
  block.write('ustar\u000000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function main(argumentList) {
  const options = {};
  for (let at = 0; at < argumentList.length; at += 2) {
    const [name, value] = argumentList.slice(at, at + 2);
    if (!['--data-dir', '--output', '--busybox'].includes(name) || value === undefined) {
      throw new Error('usage: node scripts/example-image.mjs [--data-dir DIR] [--output FILE] [--busybox FILE]');
    }
    options[name] = value;
  }
  const isRoot = process.getuid?.() === 0;
  const dataDir = options['--data-dir'] ?? (isRoot ? '/var/lib/rancher/k3s' : path.join(os.homedir(), '.rancher', 'k3s'));
  const output = options['--output'] ?? path.join(dataDir, 'agent', 'images', 'example-web.tar');
  const busybox = options['--busybox'] ?? fetchBusybox(line => console.error(line));
  const image = buildImage(fs.readFileSync(busybox));
  fs.mkdirSync(path.dirname(output), { recursive: true });
  // Whoever watches the folder must never see half an archive.
  const temporary = path.join(path.dirname(output), `.${path.basename(output)}.${process.pid}`);
  fs.writeFileSync(temporary, image);
  fs.renameSync(temporary, output);
  console.log(`${imageName}: ${output}`);
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
