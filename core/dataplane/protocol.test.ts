import { describe, expect, it } from '@jest/globals';
import { encodeFrame, FrameReader } from './protocol.js';
import type { ControlMessage } from './protocol.js';

describe('frames', () => {
  const messages: ControlMessage[] = [
    { type: 'hello', protocol: 1 },
    { type: 'change', channel: 'ü', generation: 3, set: [['k', { v: '\n€' }]], deleted: ['x'] },
    { type: 'ping' },
  ];

  it('come out as they went in, however the stream is cut', () => {
    const stream = Buffer.concat(messages.map(encodeFrame));
    for (const size of [1, 2, 3, 7, stream.length]) {
      const reader = new FrameReader<ControlMessage>();
      const read: ControlMessage[] = [];
      for (let at = 0; at < stream.length; at += size) read.push(...reader.push(stream.subarray(at, at + size)));
      expect(read).toEqual(messages);
    }
  });

  it('refuse what cannot be one', () => {
    expect(() => new FrameReader().push(Buffer.from([0xff, 0xff, 0xff, 0xff, 0]))).toThrow('4294967295 bytes');
    expect(() => new FrameReader().push(Buffer.from([0, 0, 0, 1, 0x7b]))).toThrow('not JSON');
  });
});
