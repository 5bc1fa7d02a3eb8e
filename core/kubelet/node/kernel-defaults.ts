import { CodedError, errorText } from '../../base/errors.js';
import type { Sysctl } from '../../host/sysctl.js';

/** Kernel settings that the kubelet counts on. Source: pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables. */
const kernelDefaults: Readonly<Record<string, string>> = {
  'kernel/keys/root_maxbytes': '25000000',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
};

const dotted = (name: string): string => name.replaceAll('/', '.');

/** For `--protect-kernel-defaults`: throws `KERNEL_DEFAULTS` that names every setting with another value; writes nothing. */
export async function checkKernelDefaults(sysctl: Sysctl): Promise<void> {
  const faults: string[] = [];
  const mends: string[] = [];
  for (const [name, wanted] of Object.entries(kernelDefaults)) {
    const value = await sysctl.read(name);
    if (value === wanted) continue;
    faults.push(`${dotted(name)} is ${value ?? 'not there'} and must be ${wanted}`);
    mends.push(`${dotted(name)}=${wanted}`);
  }
  if (faults.length === 0) return;
  throw new CodedError('KERNEL_DEFAULTS', `--protect-kernel-defaults: ${faults.join(', ')}`, {
    mend: `sysctl -w ${mends.join(' ')}, or leave the flag out, and they are set at the start`,
  });
}

/** Sets what differs. Resolves one line for each that could not be set: the node works without, only worse in bad times. */
export async function setKernelDefaults(sysctl: Sysctl): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, wanted] of Object.entries(kernelDefaults)) {
    try {
      if (!(await sysctl.write(name, wanted))) problems.push(`this kernel has no ${dotted(name)}`);
    } catch (error) {
      problems.push(errorText(error));
    }
  }
  return problems;
}
