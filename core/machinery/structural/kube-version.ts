const pattern = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/;
const stages = ['alpha', 'beta', undefined];

/**
 * Order of versions by preference, the best first: releases, then betas, then alphas, newer before older, then all others by name.
 * Source: apimachinery pkg/version, CompareKubeAwareVersionStrings.
 */
export function compareKubeVersions(a: string, b: string): number {
  const left = pattern.exec(a);
  const right = pattern.exec(b);
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : a > b ? 1 : 0;
  return (
    stages.indexOf(right[2]) - stages.indexOf(left[2]) ||
    Number(right[1]) - Number(left[1]) ||
    Number(right[3] ?? 0) - Number(left[3] ?? 0)
  );
}
