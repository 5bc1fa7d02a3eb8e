import { readFile } from 'node:fs/promises';
import { CodedError, errorText } from '../../../core/plugin-api/index.js';
import type { FlannelOptions } from './index.js';

export type BackendType = 'none' | 'vxlan' | 'host-gw';

export interface Backend {
  readonly type: BackendType;
  /** VXLAN network identifier; also in the name of its link, `flannel.<id>`. */
  readonly networkId: number;
  readonly port: number;
  /** 0: from the link to the other nodes. */
  readonly mtu: number;
}

/** Bytes that VXLAN puts around a packet. */
export const vxlanOverhead = 50;

/** The backend of flags and `--flannel-conf`. Errors: `FLANNEL_BACKEND`, `FLANNEL_CONF`. */
export async function readBackend(options: FlannelOptions): Promise<Backend> {
  const inFile = options.configurationFile ? await readBackendFile(options.configurationFile) : {};
  const type = (inFile.type ?? options.backend).toLowerCase();
  if (type === 'wireguard-native' || type === 'wireguard') {
    throw new CodedError('FLANNEL_BACKEND', 'the flannel backend wireguard-native is not built', {
      mend: 'use --flannel-backend vxlan, or host-gw where the nodes share a network',
    });
  }
  if (type !== 'none' && type !== 'vxlan' && type !== 'host-gw') {
    throw new CodedError('FLANNEL_BACKEND', `unknown flannel backend "${type}"`, { mend: 'use vxlan, host-gw or none' });
  }
  return { type, networkId: inFile.networkId ?? 1, port: inFile.port ?? 8472, mtu: inFile.mtu ?? 0 };
}

interface BackendFile {
  readonly type?: string;
  readonly networkId?: number;
  readonly port?: number;
  readonly mtu?: number;
}

async function readBackendFile(file: string): Promise<BackendFile> {
  let backend: Record<string, unknown>;
  try {
    const content = JSON.parse(await readFile(file, 'utf8')) as { Backend?: Record<string, unknown> } | null;
    backend = content?.Backend ?? {};
  } catch (error) {
    throw new CodedError('FLANNEL_CONF', `--flannel-conf ${file} cannot be read: ${errorText(error)}`, {
      cause: error,
      mend: 'give a JSON file as flannel\'s net-conf.json, like {"Backend":{"Type":"vxlan"}}',
    });
  }
  const number = (key: string, least: number, most: number): number | undefined => {
    const value = backend[key];
    if (value === undefined) return undefined;
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    throw new CodedError('FLANNEL_CONF', `--flannel-conf ${file}: Backend.${key} must be a number from ${least} to ${most}`);
  };
  const { Type: type } = backend;
  return {
    ...(typeof type === 'string' && { type }),
    ...optional('networkId', number('VNI', 1, 0xff_ffff)),
    ...optional('port', number('Port', 1, 65_535)),
    ...optional('mtu', number('MTU', 576, 65_535)),
  };
}

function optional<K extends string>(key: K, value: number | undefined): { [P in K]?: number } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: number };
}
