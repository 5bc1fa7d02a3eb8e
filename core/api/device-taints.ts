import type { DeviceTaint, DeviceToleration } from './generated/types.js';

/** Without regard to what the effect is: other effects than NoSchedule and NoExecute are nobody's concern. Source: KEP-5055. */
export function toleratesDeviceTaint(toleration: DeviceToleration, taint: DeviceTaint): boolean {
  const { key, operator = 'Equal', value = '', effect } = toleration;
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  return operator === 'Exists' || (operator === 'Equal' && value === (taint.value ?? ''));
}
