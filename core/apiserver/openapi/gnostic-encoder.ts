import { bytesType, fixed64Type, varintType } from '../../machinery/codec/wire-plan.js';
import { WireWriter } from '../../machinery/codec/wire-writer.js';
import type { MessageSet } from './gnostic-messages.js';

/** An OpenAPI document in protobuf. Throws on what the messages have no place for: nothing is left out silently. */
export function encodeMessage({ document, messages }: MessageSet, value: object): Buffer {
  const writer = new WireWriter(1024 * 1024);

  const tag = (number: number, wireType: number): void => writer.varint((number << 3) | wireType);

  /** From the last byte to the first, as the writer goes. */
  const field = (number: number, type: string, content: unknown, always = false): void => {
    if (type.startsWith('[]')) {
      for (const element of (content as unknown[]).toReversed()) field(number, type.slice(2), element, true);
      return;
    }
    switch (type) {
      case 'string':
        if (content === '' && !always) return;
        writer.string(content as string);
        return tag(number, bytesType);
      case 'bool':
        if (!content && !always) return;
        writer.varint(content ? 1 : 0);
        return tag(number, varintType);
      case 'int64':
        if (content === 0 && !always) return;
        writer.integer(content as number);
        return tag(number, varintType);
      case 'double':
        if (content === 0 && !always) return;
        writer.float64(Number(content));
        return tag(number, fixed64Type);
      case 'any': {
        // JSON is YAML.
        const before = writer.length;
        field(2, 'string', `${JSON.stringify(content)}\n`);
        writer.varint(writer.length - before);
        return tag(number, bytesType);
      }
      default: {
        const before = writer.length;
        message(type, content);
        writer.varint(writer.length - before);
        return tag(number, bytesType);
      }
    }
  };

  const entry = (number: number, type: string, name: string, content: unknown): void => {
    const before = writer.length;
    field(2, type, content, true);
    field(1, 'string', name);
    writer.varint(writer.length - before);
    tag(number, bytesType);
  };

  const message = (name: string, content: unknown): void => {
    const { choose, fields = {}, entries, extensions } = messages[name]!;
    if (choose) {
      const [number, type] = choose(content);
      if (number > 0) field(number, type, content, true);
      return;
    }
    for (const [key, inner] of Object.entries(content as object).toReversed()) {
      if (inner === undefined) continue;
      const known = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (known) field(...known, inner);
      else if (extensions !== undefined && key.startsWith('x-')) entry(extensions, 'any', key, inner);
      else if (entries) entry(...entries, key, inner);
      else throw new Error(`OpenAPI's ${name} has no place for ${key} in protobuf`);
    }
  };

  message(document, value);
  return writer.finish();
}
