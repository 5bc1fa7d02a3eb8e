import { firstDifference, same } from './difference.js';
import { reasonFor } from './known-differences.js';
import type { Answer, Call, Server } from './replay.js';
import { comparable, send } from './replay.js';

export interface Servers {
  readonly upstream: Server;
  readonly ours: Server;
}

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
    const [expected, given] = await Promise.all([send(upstream, call(upstream)), send(ours, call(ours))]);
    this.#asked++;
    const [left, right] = [comparable(expected), comparable(given)];
    if (!same(left, right)) this.#report(`${this.#subject}, ${what}\n${firstDifference(left, right)}`);
    return [expected, given];
  }

  #report(text: string): void {
    const reason = reasonFor(text);
    if (reason === undefined) {
      this.#differ++;
      if (++this.#printed <= this.#limit) console.log(text);
    } else {
      this.#known++;
      console.log(`known: ${text.split('\n')[0]} (${reason})`);
    }
  }
}
