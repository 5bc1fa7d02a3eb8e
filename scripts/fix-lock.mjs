// Adds stubs to package-lock.json for optional dependencies of foreign platforms that the lock names but lacks.
// A registry mirror may not carry them, and npm then writes a lock that `npm ci` refuses (npm/cli#9846).
// Run after every `npm install <package>`. Packages of linux x64 and arm64 are never stubbed: they are really needed.
import fs from 'node:fs';

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(fs.readFileSync(file, 'utf8'));
const packages = lock.packages;

const systems = ['darwin', 'win32', 'freebsd', 'openbsd', 'netbsd', 'sunos', 'aix', 'android', 'openharmony', 'linux'];
const processors = ['arm64', 'x64', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64', 'mips64el', 'arm'];
const pick = (words, name, otherwise) => words.find(word => name.includes(word)) ?? otherwise;

const resolves = (from, name) => {
  for (let at = from; ;) {
    if (packages[`${at ? `${at}/` : ''}node_modules/${name}`]) return true;
    if (!at) return false;
    const cut = at.lastIndexOf('/node_modules/');
    at = cut < 0 ? '' : at.slice(0, cut);
  }
};

let added = 0;
for (const [at, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (!/^\d/.test(version) || resolves(at, name)) continue;
    const os = pick(systems, name, name.includes('wasm') || name.includes('wasi') ? 'wasi' : 'none');
    const cpu = pick(processors, name, 'wasm32');
    if (os === 'linux' && (cpu === 'x64' || cpu === 'arm64') && !name.includes('musl')) {
      throw new Error(`${name}@${version} is needed on linux/${cpu} but the lock has no entry for it: run npm install again`);
    }
    packages[`node_modules/${name}`] = { version, os: [os], cpu: [cpu], ...(entry.dev ? { dev: true } : {}), optional: true };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
fs.writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`fix-lock: ${added} stub${added === 1 ? '' : 's'} added`);
