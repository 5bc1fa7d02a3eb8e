import type { ExposedMetrics } from '../../contracts/exposed-metrics.js';

/** How a token of a service account was used: as upstream names the counter, without `serviceaccount_` and `_total`. */
export type TokenUse =
  | 'legacy_tokens'
  | 'stale_tokens'
  | 'legacy_manual_token_uses'
  | 'legacy_auto_token_uses'
  | 'invalid_legacy_auto_token_uses'
  | 'valid_tokens';

const help: Readonly<Record<TokenUse, string>> = {
  legacy_tokens: 'Uses of tokens that are for no audience, as those in Secrets are.',
  stale_tokens: 'Uses of projected tokens that their clients should have read anew.',
  legacy_manual_token_uses: 'Uses of tokens in Secrets that somebody made.',
  legacy_auto_token_uses: 'Uses of tokens in Secrets that were made for a service account by itself.',
  invalid_legacy_auto_token_uses: 'Refused uses of tokens in Secrets that are marked as invalid.',
  valid_tokens: 'Uses of projected tokens in time.',
};

/**
 * Counts uses of tokens. Each request is one, where upstream counts those that its cache of ten seconds does not know.
 * Source: the names of pkg/serviceaccount/metrics.go.
 */
export class ServiceAccountTokenMetrics implements ExposedMetrics {
  readonly #counts = new Map<TokenUse, number>();

  count(use: TokenUse): void {
    this.#counts.set(use, (this.#counts.get(use) ?? 0) + 1);
  }

  text(): string {
    const lines = Object.entries(help).flatMap(([use, words]) => {
      const name = `serviceaccount_${use}_total`;
      return [`# HELP ${name} ${words}`, `# TYPE ${name} counter`, `${name} ${this.#counts.get(use as TokenUse) ?? 0}`];
    });
    return `${lines.join('\n')}\n`;
  }
}
