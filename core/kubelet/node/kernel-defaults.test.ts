import { describe, expect, it } from '@jest/globals';
import { RecordingSysctl } from '../../host/sysctl.js';
import { checkKernelDefaults, setKernelDefaults } from './kernel-defaults.js';

const right = {
  'kernel/keys/root_maxbytes': '25000000',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
};

describe('kernel settings that the kubelet counts on', () => {
  it('are fine as they are upstream', async () => {
    const sysctl = new RecordingSysctl(right);
    await checkKernelDefaults(sysctl);
    expect(sysctl.writes).toEqual([]);
  });

  it('with --protect-kernel-defaults: every wrong one is named with its value, and none is set', async () => {
    const { 'kernel/panic_on_oops': _missing, ...others } = right;
    const sysctl = new RecordingSysctl({ ...others, 'vm/overcommit_memory': '0', 'kernel/panic': '0' });
    await expect(checkKernelDefaults(sysctl)).rejects.toMatchObject({
      code: 'KERNEL_DEFAULTS',
      message:
        '--protect-kernel-defaults: kernel.panic is 0 and must be 10, kernel.panic_on_oops is not there and must be 1, ' +
        'vm.overcommit_memory is 0 and must be 1',
      mend: expect.stringContaining('sysctl -w kernel.panic=10 kernel.panic_on_oops=1 vm.overcommit_memory=1,'),
    });
    expect(sysctl.writes).toEqual([]);
  });

  it('without it: are set, and what cannot be is named', async () => {
    const { 'kernel/panic_on_oops': _missing, ...others } = right;
    const sysctl = new RecordingSysctl({ ...others, 'vm/overcommit_memory': '0' });
    const write = sysctl.write.bind(sysctl);
    sysctl.write = async (name, value) => {
      if (name === 'kernel/panic') throw new Error('the file system is read-only');
      return write(name, value);
    };
    expect(await setKernelDefaults(sysctl)).toEqual(['the file system is read-only', 'this kernel has no kernel.panic_on_oops']);
    expect(sysctl.values.get('vm/overcommit_memory')).toBe('1');
  });
});
