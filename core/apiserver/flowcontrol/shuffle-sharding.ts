/** So many bits of a hash deal hands whose last card is even enough. */
export const maximumHashBits = 60;

/** How many bits of a hash a hand of cards out of a deck takes, a little generously. Source: apiserver pkg/util/shufflesharding. */
export function requiredEntropyBits(deckSize: number, handSize: number): number {
  return Math.ceil(Math.log2(deckSize) * handSize);
}

/** A hand of different cards out of a deck of `deckSize`, the same for the same hash. */
export function dealHand(hash: bigint, deckSize: number, handSize: number): number[] {
  const hand: number[] = [];
  let rest = hash;
  const remainders: number[] = [];
  for (let at = 0; at < handSize; at++) {
    const left = BigInt(deckSize - at);
    const remainder = Number(rest % left);
    rest /= left;
    // It counts the cards that are still there: from the last one dealt back to the first, each one below moves it up.
    let card = remainder;
    for (let before = at - 1; before >= 0; before--) if (card >= remainders[before]!) card++;
    remainders.push(remainder);
    hand.push(card);
  }
  return hand;
}
