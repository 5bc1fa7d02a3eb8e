// Runs in the node's network: asks at a steady rate through three ways, each time on a new socket, and prints what came of it.
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

const [nodeAddress = '', clusterIp = '', seconds = '60', perSecond = '100'] = process.argv.slice(2);
const dnsAddress = '10.43.0.10';
const waitMs = 3000;

class Way {
  answered = 0;
  lost = 0;
  readonly reasons = new Set<string>();

  fail(reason: string): void {
    this.lost++;
    if (this.reasons.size < 5) this.reasons.add(reason);
  }
}

const ways = { ingress: new Way(), clusterIp: new Way(), dns: new Way() };

function askHttp(way: Way, address: string, port: number, host: string): void {
  let text = '';
  let failure = '';
  const socket = connect(port, address, () => socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
  socket.setTimeout(waitMs, () => socket.destroy(new Error('no answer in time')));
  socket.on('data', chunk => (text += chunk.toString()));
  socket.on('error', error => (failure = error.message));
  socket.on('close', () => {
    if (text.startsWith('HTTP/1.1 200')) way.answered++;
    else way.fail(failure || text.slice(0, 40) || 'closed without an answer');
  });
}

const question = Buffer.concat([
  Buffer.from('123401000001000000000000', 'hex'),
  ...['web', 'default', 'svc', 'cluster', 'local'].map(label => Buffer.from(String.fromCharCode(label.length) + label)),
  Buffer.from([0, 0, 1, 0, 1]),
]);

function askDns(way: Way): void {
  const socket = createSocket('udp4');
  const end = (failure?: string): void => {
    clearTimeout(timer);
    socket.close();
    if (failure === undefined) way.answered++;
    else way.fail(failure);
  };
  const timer = setTimeout(() => end('no answer in time'), waitMs);
  socket.on('error', error => end(error.message));
  socket.on('message', message =>
    end((message[3]! & 15) === 0 && message.readUInt16BE(6) > 0 ? undefined : 'no address in the answer'),
  );
  socket.send(question, 53, dnsAddress);
}

const beganMs = performance.now();
const total = Number(seconds) * Number(perSecond);
let asked = 0;
const timer = setInterval(() => {
  const due = Math.min(total, Math.floor(((performance.now() - beganMs) / 1000) * Number(perSecond)));
  for (; asked < due; asked++) {
    askHttp(ways.ingress, nodeAddress, 80, 'web.example.com');
    askHttp(ways.clusterIp, clusterIp, 8088, 'web');
    askDns(ways.dns);
  }
  if (asked < total) return;
  clearInterval(timer);
  setTimeout(() => {
    for (const [name, { reasons }] of Object.entries(ways)) if (reasons.size) console.error(name, [...reasons]);
    console.log(
      JSON.stringify(Object.fromEntries(Object.entries(ways).map(([name, { answered, lost }]) => [name, { answered, lost }]))),
    );
  }, waitMs + 500);
}, 10);
