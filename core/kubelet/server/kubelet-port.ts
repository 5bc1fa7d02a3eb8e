import { CodedError, errorCode } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ContainerRuntime } from '../../contracts/container-runtime.js';
import type { KubeletServer } from './kubelet-server.js';

export const kubeletPort = 10_250;

export interface PortWish {
  readonly server: Pick<KubeletServer, 'listen'>;
  readonly runtime: Pick<ContainerRuntime, 'status'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** Undefined: 10250. */
  readonly port: number | undefined;
}

/**
 * Resolves the port that is listened on. Where nobody named one and 10250 is taken, a node whose containers are simulated takes any;
 * a real one rejects PORT_IN_USE: metrics servers and firewalls know it by that port.
 */
export async function takePort({ server, runtime, logger, port }: PortWish): Promise<number> {
  try {
    return await server.listen(port ?? kubeletPort);
  } catch (error) {
    if (port !== undefined || errorCode(error) !== 'PORT_IN_USE') throw error;
    if ((await runtime.status()).onHost) {
      // The kernel tries again and logs the message alone: the mend stands in it.
      const mend = `stop what listens there (ss -ltnp 'sport = :${kubeletPort}' names it), or start with --disable-agent`;
      throw new CodedError('PORT_IN_USE', `port ${kubeletPort} of the kubelet is in use; ${mend}`);
    }
    const free = await server.listen(0);
    logger.warn('the port of the kubelet is in use, another one is taken', { port: kubeletPort, taken: free });
    return free;
  }
}
