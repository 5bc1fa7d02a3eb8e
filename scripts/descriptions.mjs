// Takes the descriptions of API types and fields out of the dev dependency @kubernetes/client-node (the comments of its generated
// declarations) into dist, for `kubectl explain`. They are built in, never committed.
import fs from 'node:fs';
import path from 'node:path';

const prefixes = {
  'io.k8s.api.core': 'Core',
  'io.k8s.api.events': 'Events',
  'io.k8s.api.discovery': 'Discovery',
  'io.k8s.api.rbac': 'Rbac',
  'io.k8s.api.flowcontrol': 'Flowcontrol',
  'io.k8s.api.authentication': 'Authentication',
  'io.k8s.api.storage': 'Storage',
  'io.k8s.api.resource': 'Resource',
  'io.k8s.api.admissionregistration': 'Admissionregistration',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions': 'Apiextensions',
  'io.k8s.kube-aggregator.pkg.apis.apiregistration': 'Apiregistration',
};

/** The description of the class of one declaration file. */
function classDescription(text) {
  const head = text.slice(0, text.indexOf('export declare class'));
  const start = head.lastIndexOf('/**');
  return start < 0 || head.slice(start).includes('OpenAPI spec version') ? '' : clean(head.slice(start));
}

/**
 * The description of the class and of each field of one declaration file. A field whose type is a class has no comment of its own
 * there: `describeClass` says what is known of that.
 */
function readDeclaration(text, describeClass) {
  const fields = {};
  const description = classDescription(text);
  const body = text.slice(text.indexOf('export declare class'));
  for (const match of body.matchAll(/(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?'([^']+)'\??: ?(\w*)/g)) {
    const found = match[1] ? clean(match[1]) : describeClass(match[3]);
    if (found) fields[match[2]] = found;
  }
  return { ...(description ? { description } : {}), ...(Object.keys(fields).length ? { fields } : {}) };
}

function clean(comment) {
  return comment
    .trim()
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map(line => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .replace(/\*\\\//g, '*/')
    .replace(/\\(['"])/g, '$1')
    .trim();
}

export function writeDescriptions(root) {
  const models = path.join(root, 'node_modules/@kubernetes/client-node/dist/gen/models');
  const target = path.join(root, 'dist/core/apiserver/openapi/descriptions.json');
  if (!fs.existsSync(models)) return;
  const generated = path.join(root, 'core/api/generated');
  const describeClass = name => {
    const file = path.join(models, `${name}.d.ts`);
    return fs.existsSync(file) ? classDescription(fs.readFileSync(file, 'utf8')) : '';
  };
  const all = {};
  for (const file of fs.readdirSync(generated)) {
    if (!file.endsWith('.json')) continue;
    const { types } = JSON.parse(fs.readFileSync(path.join(generated, file), 'utf8'));
    for (const name of Object.keys(types ?? {})) {
      const parts = name.split('.');
      const kind = parts.pop();
      const version = parts.pop();
      const base = `${version[0].toUpperCase()}${version.slice(1)}${kind}`;
      for (const candidate of [`${prefixes[parts.join('.')] ?? '?'}${base}`, base]) {
        const declaration = path.join(models, `${candidate}.d.ts`);
        if (!fs.existsSync(declaration)) continue;
        const found = readDeclaration(fs.readFileSync(declaration, 'utf8'), describeClass);
        if (found.description || found.fields) all[name] = found;
        break;
      }
    }
  }
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, JSON.stringify(all));
}
