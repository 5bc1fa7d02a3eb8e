import { cut, firstDifference, same } from './difference.js';
import { reasonFor } from './known-differences.js';
import type { Answer, Call, Server } from './replay.js';
import { causesOf, comparable, send } from './replay.js';

export interface Servers {
  readonly upstream: Server;
  readonly ours: Server;
}

/** Two entries of a map come in one order so many times once in a million times. */
const attempts = 20;

/** Asks both servers and counts and prints where their answers differ. */
export class Tally {
  readonly #servers: Servers;
  readonly #limit: number;
  #subject = '';
  #asked = 0;
  #printed = 0;
  #differ = 0;
  #known = 0;
  #total = 0;

  /** So many differences of a subject are printed. */
  constructor(servers: Servers, limit: number) {
    this.#servers = servers;
    this.#limit = limit;
  }

  /** Of all subjects; those that are known do not count. */
  get total(): number {
    return this.#total;
  }

  begin(subject: string): void {
    this.#subject = subject;
    this.#asked = this.#printed = this.#differ = this.#known = 0;
  }

  end(): void {
    const known = this.#known ? `, ${this.#known} known` : '';
    if (this.#asked > 0) console.log(`${this.#subject}: ${this.#asked} requests, ${this.#differ} answered differently${known}`);
    this.#total += this.#differ;
    this.#asked = 0;
    this.#differ = 0;
  }

  /** Resolves both answers as they came, upstream's first. */
  async ask(what: string, call: (server: Server) => Call): Promise<[Answer, Answer]> {
    const { upstream, ours } = this.#servers;
    const asked = call(upstream);
    const [expected, given] = await Promise.all([send(upstream, asked), send(ours, call(ours))]);
    this.#asked++;
    const difference = differenceOf(expected, given);
    if (difference === undefined) return [expected, given];
    const text = `${this.#subject}, ${what}\n${difference}`;
    if (await answersByChance(expected, given, asked, upstream))
      this.#know(text, 'upstream answers so too, when it is asked again');
    else this.#report(text);
    return [expected, given];
  }

  #report(text: string): void {
    const reason = reasonFor(text);
    if (reason !== undefined) return this.#know(text, reason);
    this.#differ++;
    if (++this.#printed <= this.#limit) console.log(text);
  }

  #know(text: string, reason: string): void {
    this.#known++;
    console.log(`known: ${text.split('\n')[0]} (${reason})`);
  }
}

function differenceOf(expected: Answer, given: Answer): string | undefined {
  const [left, right] = [comparable(expected), comparable(given)];
  if (!same(left, right)) return firstDifference(left, right);
  const [before, after] = [causesOf(expected), causesOf(given)];
  if (before === after) return undefined;
  const [leftText, rightText] = cut(before, after);
  return `  order of causes\n    upstream: ${leftText}\n    ours:     ${rightText}`;
}

/**
 * Whether upstream itself, asked the same again, comes to answer as ours did, or lists the same causes in yet another order: it
 * walks a map then, in the random order that Go gives it.
 */
async function answersByChance(expected: Answer, given: Answer, call: Call, upstream: Server): Promise<boolean> {
  const changesNothing = call.method === 'GET' || call.path.includes('dryRun=All');
  if (!changesNothing || expected.code === 0) return false;
  const wanted = comparable(given);
  const onlyOrder = same(comparable(expected), wanted);
  for (let attempt = 0; attempt < attempts; attempt++) {
    const other = await send(upstream, call);
    if (!same(comparable(other), wanted)) continue;
    if (!onlyOrder || causesOf(other) !== causesOf(expected)) return true;
  }
  return false;
}
