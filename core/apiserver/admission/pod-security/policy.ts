import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';

export type Level = 'privileged' | 'baseline' | 'restricted';

/** Levels from the widest to the narrowest. */
const levels: readonly Level[] = ['privileged', 'baseline', 'restricted'];
const versionPattern = /^v1\.([0-9]|[1-9][0-9]*)$/;
const labelPrefix = 'pod-security.kubernetes.io/';
const labelsPath = fieldPath('metadata', 'labels');

/** A level as it was in one minor version of Kubernetes; `Infinity` is the latest. */
export interface LevelVersion {
  readonly level: Level;
  readonly minor: number;
}

export interface Policy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
}

const latest = Number.POSITIVE_INFINITY;

/** `restricted:latest`, `baseline:v1.30`. */
export function levelText({ level, minor }: LevelVersion): string {
  return `${level}:${minor === latest ? 'latest' : `v1.${minor}`}`;
}

export function isSameLevel(one: LevelVersion, other: LevelVersion): boolean {
  return one.level === other.level && one.minor === other.minor;
}

/** How much narrower `one` is than `other`; 0 when they are the same. */
export function compareLevels(one: Level, other: Level): number {
  return levels.indexOf(one) - levels.indexOf(other);
}

/**
 * What a namespace's labels ask for. A label that cannot be read is an error, and counts as the narrowest level for enforcing and
 * as the widest for the others. Without a level of its own `warn` is as narrow as `enforce`. Source: api.PolicyToEvaluate.
 */
export function policyOf(labels: Readonly<Record<string, string>> | undefined): { policy: Policy; errors: FieldErrors } {
  const errors = new FieldErrors();
  const read = (
    mode: string,
    atFault: Level,
  ): { level: Level; minor: number; hasLevel: boolean; hasVersion: boolean; isGood: boolean } => {
    const [levelKey, versionKey] = [`${labelPrefix}${mode}`, `${labelPrefix}${mode}-version`];
    const [levelText, versionText] = [labels?.[levelKey], labels?.[versionKey]];
    const known = levels.find(candidate => candidate === levelText);
    if (levelText !== undefined && !known) {
      errors.invalid(labelsPath.key(levelKey), levelText, `must be one of ${levels.join(', ')}`);
    }
    const match = versionPattern.exec(versionText ?? '');
    if (versionText !== undefined && versionText !== 'latest' && !match) {
      errors.invalid(labelsPath.key(versionKey), versionText, 'must be "latest" or "v1.x"');
    }
    return {
      level: levelText === undefined ? 'privileged' : (known ?? atFault),
      minor: match ? Number(match[1]) : latest,
      hasLevel: levelText !== undefined,
      hasVersion: versionText !== undefined,
      isGood: known !== undefined,
    };
  };
  const enforce = read('enforce', 'restricted');
  const audit = read('audit', 'privileged');
  const warn = read('warn', 'privileged');
  if (!warn.hasLevel && enforce.isGood && compareLevels(enforce.level, warn.level) > 0) {
    warn.level = enforce.level;
    if (!warn.hasVersion) warn.minor = enforce.minor;
  }
  const plain = ({ level, minor }: LevelVersion): LevelVersion => ({ level, minor });
  return { policy: { enforce: plain(enforce), audit: plain(audit), warn: plain(warn) }, errors };
}
