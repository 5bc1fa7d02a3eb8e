/** A time as metav1.Time has it in JSON: UTC, whole seconds. */
export function formatRfc3339Seconds(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}
