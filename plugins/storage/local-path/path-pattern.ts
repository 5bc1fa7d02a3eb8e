import { configError } from './path-config.js';

/** What a `pathPattern` may speak of. */
export interface PatternFacts {
  readonly volumeName: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const action = /\{\{-?\s*(.*?)\s*-?\}\}/g;
const mapEntry = /^\.PVC\.(Labels|Annotations)\.([A-Za-z0-9_]+)$/i;
const indexed = /^index\s+\.PVC\.(Labels|Annotations)\s+"([^"]*)"$/i;
const ofOneClaim = /^\{\{-?\s*\.PVC\.Namespace\s*-?\}\}\/\{\{-?\s*\.PVC\.Name\s*-?\}\}(\/|$)/i;

/**
 * The folder below the base that a class's `pathPattern` gives. Of Go's templates fields and `index` are understood.
 * A pattern that does not begin with namespace and name may give two claims one folder: it needs `allowUnsafePathPattern`.
 * The result is relative and never leaves the base. Throws `LOCAL_PATH_CONFIG`.
 * Source: local-path-provisioner README, CVE-2025-62878.
 */
export function renderPathPattern(pattern: string, facts: PatternFacts, allowUnsafe: boolean): string {
  if (!allowUnsafe && !ofOneClaim.test(pattern.trim())) {
    throw configError(
      `pathPattern "${pattern}" must begin with {{ .PVC.Namespace }}/{{ .PVC.Name }}, or the class must set allowUnsafePathPattern`,
    );
  }
  const rendered = pattern.trim().replace(action, (_match, expression: string) => {
    // A value is one step of the path, whatever it holds.
    const value = valueOf(expression, facts);
    if (!allowUnsafe && (value.includes('/') || value === '..' || value === '.')) {
      throw configError(`pathPattern "${pattern}": the value of ${expression} is no name of a folder`);
    }
    return value;
  });
  const steps = rendered.split('/').filter(step => step !== '' && step !== '.');
  const bad = rendered.startsWith('/') || rendered.includes('\0') || steps.length === 0 || steps.includes('..');
  if (bad) throw configError(`pathPattern "${pattern}" leaves the folder of local volumes: "${rendered}"`);
  return steps.join('/');
}

function valueOf(expression: string, facts: PatternFacts): string {
  const fields: Readonly<Record<string, string>> = {
    '.pvname': facts.volumeName,
    '.pvc.name': facts.name,
    '.pvc.namespace': facts.namespace,
    '.pvc.uid': facts.uid,
  };
  const field = fields[expression.toLowerCase()];
  if (field !== undefined) return field;
  const entry = mapEntry.exec(expression) ?? indexed.exec(expression);
  if (!entry) throw configError(`pathPattern: "{{ ${expression} }}" is not understood`);
  const map = entry[1]!.toLowerCase() === 'labels' ? facts.labels : facts.annotations;
  return Object.hasOwn(map, entry[2]!) ? map[entry[2]!]! : '';
}
