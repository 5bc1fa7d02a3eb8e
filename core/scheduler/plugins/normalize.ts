import { maximumScore } from '../framework.js';

/** Scales to 0 to 100 by the highest score; `reverse` makes the lowest score the best. */
export function normalizeByMaximum(scores: number[], reverse: boolean): void {
  let highest = 0;
  for (const score of scores) if (score > highest) highest = score;
  for (let i = 0; i < scores.length; i++) {
    const share = highest === 0 ? 0 : Math.trunc((maximumScore * scores[i]!) / highest);
    scores[i] = reverse ? maximumScore - share : share;
  }
}
