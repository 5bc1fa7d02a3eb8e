/**
 * What Node is run with for `k3s`. Imported by the launcher too, on whatever Node there is.
 *
 * A small young generation: 155 MB resident became 141 MB idle and 195 MB became 148 MB after a load, as many requests a second
 * as before (docs/benchmarks.md).
 */
export const nodeFlags: readonly string[] = ['--max-semi-space-size=4'];

/**
 * What is added to its environment, unless the caller has set it: one arena of glibc's for all threads. With one for each thread, what
 * V8's helpers have freed lies in theirs, where nobody else finds it (docs/decisions/0008-one-arena.md).
 */
export const nodeEnvironment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' };
