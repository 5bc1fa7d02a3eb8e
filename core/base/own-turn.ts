const waiting: (() => void)[] = [];

/**
 * Resolves in a turn of the event loop that it shares with nobody else who waits here: long work that takes its slices so leaves room for
 * sockets between them, however many do it at a time.
 */
export function ownTurn(): Promise<void> {
  return new Promise(resolve => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(next);
  });
}

function next(): void {
  const [resolve] = waiting.splice(0, 1);
  if (waiting.length > 0) setImmediate(next);
  resolve!();
}
