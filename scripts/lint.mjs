// Lints with oxlint: the correctness rules with types, and the rooms of config/rooms.json as restricted imports.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const { about, ...rooms } = JSON.parse(fs.readFileSync(path.join(root, 'config', 'rooms.json'), 'utf8'));
void about;

const outside = ['plugins', 'presets', 'config', 'test'];
const coreRooms = fs
  .readdirSync(path.join(root, 'core'), { withFileTypes: true })
  .filter(entry => entry.isDirectory())
  .map(entry => entry.name);
const unknown = coreRooms.filter(room => !rooms[room]);
if (unknown.length) {
  console.error(`config/rooms.json does not know the rooms ${unknown.join(', ')} of core`);
  process.exit(1);
}

// Rooms that are planned count too, so that their first import is already judged.
const allRooms = [
  ...new Set([...coreRooms, ...Object.keys(rooms).filter(name => !name.includes('/') && !outside.includes(name))]),
];

const overrides = [];
for (const [room, allowed] of Object.entries(rooms)) {
  if (!Array.isArray(allowed)) {
    overrides.push(
      override(`core/${room}/**/*.ts`, [`^(\\.\\./)+(${allowed.never.join('|')})/`], `core/${room} never imports back`),
    );
    continue;
  }
  const own = outside.includes(room);
  const forbiddenCore = allRooms.filter(other => other !== room && !allowed.includes(other));
  const forbiddenOutside = outside.filter(
    other => other !== room && !allowed.some(name => name === other || name.startsWith(`${other}/`)),
  );
  const patterns = [];
  // From core/ROOM/x.ts another room is ../OTHER/, from a subfolder ../../OTHER/; from outside of core it goes through core/.
  if (forbiddenCore.length)
    patterns.push(own ? `^(\\.\\./)+core/(${forbiddenCore.join('|')})/` : `^(\\.\\./)+(${forbiddenCore.join('|')})/`);
  if (forbiddenOutside.length) patterns.push(`^(\\.\\./)+(${forbiddenOutside.join('|')})/`);
  for (const name of allowed.filter(entry => entry.includes('/'))) {
    patterns.push(`^(\\.\\./)+${name.split('/')[0]}/[^/]+/`);
  }
  const files = own ? `${room}/**/*.ts` : `core/${room}/**/*.ts`;
  if (patterns.length)
    overrides.push(override(files, patterns, `${room} may import ${allowed.length ? allowed.join(', ') : 'nothing of ours'}`));
}
// A plugin never knows another one; SQL engines share one helper.
const slots = fs.existsSync(path.join(root, 'plugins'))
  ? fs
      .readdirSync(path.join(root, 'plugins'), { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(entry => entry.name)
  : [];
for (const slot of slots) {
  const plugins = fs.readdirSync(path.join(root, 'plugins', slot)).filter(name => name !== 'sql-common');
  for (const plugin of plugins) {
    const siblings = plugins.filter(name => name !== plugin);
    const patterns = [`^(\\.\\./){2,}(${slots.filter(name => name !== slot).join('|') || '-'})/`];
    if (siblings.length) patterns.push(`^\\.\\./(${siblings.join('|')})/`);
    overrides.push(override(`plugins/${slot}/${plugin}/**/*.ts`, patterns, 'a plugin never imports another plugin', 'extra'));
  }
}

function override(files, patterns, message) {
  return { files: [files], patterns: patterns.map(regex => ({ regex, message })) };
}

// oxlint lets the last matching override win for a rule, so what applies to the same files is joined.
const byFiles = new Map();
for (const { files, patterns } of overrides) byFiles.set(files[0], [...(byFiles.get(files[0]) ?? []), ...patterns]);
const wide = [...byFiles].map(([files, patterns]) => {
  const outer = [...byFiles].filter(([other]) => other !== files && files.startsWith(other.replace(/\*\*.*$/, '')));
  return {
    files: [files],
    rules: { 'no-restricted-imports': ['error', { patterns: [...patterns, ...outer.flatMap(([, more]) => more)] }] },
  };
});
wide.sort((a, b) => a.files[0].split('/').length - b.files[0].split('/').length);

// Tests may use the kits of other rooms; what ships may not.
const generated = { files: ['core/api/generated/**'], rules: { 'max-lines': 'off' } };
const tests = {
  files: ['**/*.test.ts', 'core/*/testing/**/*.ts', 'core/*/*/testing/**/*.ts', 'plugins/**/testing/**/*.ts', '**/*-fixture.ts'],
  rules: { 'no-restricted-imports': 'off' },
};
const config = {
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise'],
  categories: { correctness: 'error', suspicious: 'off' },
  rules: {
    'typescript/no-explicit-any': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': ['error', { checksVoidReturn: false }],
    'typescript/await-thenable': 'error',
    'typescript/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
    'import/no-default-export': 'off',
    'no-empty': ['error', { allowEmptyCatch: false }],
    'no-console': 'error',
    eqeqeq: 'error',
    'max-lines': ['error', { max: 600 }],
    'no-restricted-imports': 'off',
    'unicorn/no-thenable': 'off',
    'typescript/no-redundant-type-constituents': 'off',
    'typescript/restrict-template-expressions': 'off',
    'typescript/unbound-method': 'off',
    'typescript/no-base-to-string': 'off',
    'typescript/require-array-sort-compare': 'off',
    'typescript/no-misused-spread': 'off',
    'no-control-regex': 'off',
    'typescript/no-useless-default-assignment': 'off',
    // Copies made on purpose, since what is iterated changes meanwhile.
    'unicorn/no-useless-spread': 'off',
    'unicorn/no-new-array': 'off',
    'typescript/no-this-alias': 'off',
  },
  ignorePatterns: ['dist', 'node_modules', '**/generated/**', 'scripts/schema'],
  overrides: [
    ...wide,
    tests,
    generated,
    {
      files: ['scripts/*.mjs', '**/scripts/**', 'test/bench/**', 'test/differential/*.ts', 'core/cli/**', '**/*-bench.ts'],
      rules: { 'no-console': 'off' },
    },
  ],
};

// Patterns count from where the file lies.
const file = path.join(root, `.oxlintrc-${process.pid}.json`);
fs.writeFileSync(file, JSON.stringify(config, null, 2));
const result = spawnSync(
  path.join(root, 'node_modules', '.bin', 'oxlint'),
  ['-c', file, '--type-aware', '--ignore-path', path.join(root, '.gitignore'), ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
fs.rmSync(file, { force: true });
if (result.error) throw result.error;
process.exit(result.status ?? 1);
