import { createSocket } from 'node:dgram';
import { createRequire } from 'node:module';
import { connect } from 'node:net';

export interface DecodedRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly data: unknown;
}

export interface DecodedMessage {
  readonly id: number;
  readonly rcode: string;
  readonly flag_tc: boolean;
  readonly flag_aa: boolean;
  readonly flag_ra: boolean;
  readonly flag_rd: boolean;
  readonly questions: readonly { readonly name: string; readonly type: string }[];
  readonly answers: readonly DecodedRecord[];
  readonly authorities: readonly DecodedRecord[];
  readonly additionals: readonly (DecodedRecord & { readonly udpPayloadSize?: number })[];
}

interface DnsPacket {
  encode(message: object): Buffer;
  decode(message: Buffer): DecodedMessage;
  readonly RECURSION_DESIRED: number;
}

/** Somebody else's codec, to check ours. It comes without types. */
export const dnsPacket = createRequire(import.meta.url)('dns-packet') as DnsPacket;

export interface AskOptions {
  readonly type?: string;
  readonly udpBytes?: number;
  readonly transport?: 'udp' | 'tcp';
  readonly timeoutMs?: number;
}

export function encodeQuestion(name: string, { type = 'A', udpBytes }: AskOptions = {}, id = 0x1234): Buffer {
  const additionals = udpBytes === undefined ? [] : [{ type: 'OPT', name: '.', udpPayloadSize: udpBytes, flags: 0, options: [] }];
  return dnsPacket.encode({ type: 'query', id, flags: dnsPacket.RECURSION_DESIRED, questions: [{ type, name }], additionals });
}

/** One question, one answer; rejects when there is none. */
export function ask(port: number, name: string, options: AskOptions = {}): Promise<DecodedMessage & { readonly bytes: number }> {
  const question = encodeQuestion(name, options);
  const { transport = 'udp', timeoutMs = 5000 } = options;
  return new Promise((resolve, reject) => {
    const finish = (message: Buffer): void => {
      clearTimeout(timer);
      close();
      resolve({ ...dnsPacket.decode(message), bytes: message.length });
    };
    const fail = (error: Error): void => {
      clearTimeout(timer);
      close();
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error(`no answer about ${name}`)), timeoutMs);
    let close: () => void;
    if (transport === 'udp') {
      const socket = createSocket('udp4');
      close = () => socket.close();
      socket.on('message', finish);
      socket.on('error', fail);
      socket.connect(port, '127.0.0.1', () => socket.send(question));
    } else {
      const socket = connect(port, '127.0.0.1');
      close = () => socket.destroy();
      let received: Buffer = Buffer.alloc(0);
      socket.on('error', fail);
      socket.on('data', chunk => {
        received = Buffer.concat([received, chunk]);
        if (received.length > 2 && received.length >= 2 + received.readUInt16BE(0)) finish(received.subarray(2));
      });
      const length = Buffer.alloc(2);
      length.writeUInt16BE(question.length, 0);
      socket.write(Buffer.concat([length, question]));
    }
  });
}
