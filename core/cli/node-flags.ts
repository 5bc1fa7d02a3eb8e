/**
 * What Node is run with for `k3s`. Imported by the launcher too, on whatever Node there is.
 *
 * A small young generation: 155 MB resident became 141 MB idle and 195 MB became 148 MB after a load, as many requests a second
 * as before (docs/benchmarks.md).
 */
export const nodeFlags: readonly string[] = ['--max-semi-space-size=4'];
