import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { SqliteEngine } from './sqlite-engine.js';
import { toFailure } from './sqlite-failure.js';
import { backup, checkIntegrity, compactStep, size, vacuumStep } from './sqlite-maintenance.js';
import type { Answer, BatchRequest, ControlRequest, EngineOptions, Request } from './sqlite-protocol.js';

/** So many operations share one commit at most (a request is never split): bounds how long the first one waits. */
const operationsPerCommit = 512;

function serve(port: MessagePort, options: EngineOptions): void {
  let engine: SqliteEngine;
  try {
    engine = SqliteEngine.open(options);
  } catch (error) {
    answer(port, { type: 'open', failure: toFailure(error, options.file), revision: 0, nextExpiryMs: 0, lostThrough: 0 });
    port.close();
    return;
  }
  const { revision, lostThrough } = engine;
  port.on('message', (request: Request) => {
    for (let next: Request | undefined = request; next;) {
      if (next.type === 'control') {
        control(port, engine, next);
        return;
      }
      next = group(port, engine, next);
    }
  });
  answer(port, { type: 'open', failure: undefined, revision, nextExpiryMs: engine.nextExpiryMs(), lostThrough });
}

/** Commits the request together with those that wait behind it; resolves the first request that is left over. */
function group(port: MessagePort, engine: SqliteEngine, first: BatchRequest): Request | undefined {
  const requests = [first];
  let count = first.count;
  let next: Request | undefined;
  while (count < operationsPerCommit) {
    const message = receiveMessageOnPort(port)?.message as Request | undefined;
    if (message?.type !== 'batch') {
      next = message;
      break;
    }
    requests.push(message);
    count += message.count;
  }
  const batch = engine.apply(requests);
  port.postMessage(batch, batch.slabs as ArrayBuffer[]);
  return next;
}

function control(port: MessagePort, engine: SqliteEngine, request: ControlRequest): void {
  const { id } = request;
  const fail = (error: unknown): void =>
    answer(port, { type: 'control', id, value: undefined, failure: toFailure(error, engine.file) });
  try {
    const value = run(engine, request);
    if (value instanceof Promise) {
      value.then(() => answer(port, { type: 'control', id, value: undefined, failure: undefined }), fail);
    } else answer(port, { type: 'control', id, value, failure: undefined });
  } catch (error) {
    fail(error);
  }
  if (request.name === 'close') port.close();
}

function run(engine: SqliteEngine, request: ControlRequest): unknown {
  switch (request.name) {
    case 'compact':
      return compactStep(engine, Number(request.argument));
    case 'size':
      return size(engine);
    case 'vacuum':
      return vacuumStep(engine);
    case 'backup':
      return backup(engine, String(request.argument));
    case 'integrity':
      return checkIntegrity(engine);
    case 'close':
      return engine.close();
  }
}

function answer(port: MessagePort, message: Answer): void {
  port.postMessage(message);
}

if (parentPort) serve(parentPort, workerData as EngineOptions);
