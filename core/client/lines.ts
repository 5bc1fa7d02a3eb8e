const newline = 0x0a;

/** The lines of a byte stream, without empty ones. A last line without its newline is a stream cut off and is dropped. */
export async function* lines(stream: AsyncIterable<unknown>): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  for await (const piece of stream) {
    const chunk = piece as Buffer;
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const part = chunk.subarray(start, end);
      const line = pending.length ? Buffer.concat([...pending, part]) : part;
      pending = [];
      start = end + 1;
      if (line.length > 0) yield line.toString('utf8');
    }
    if (start < chunk.length) pending.push(chunk.subarray(start));
  }
}
