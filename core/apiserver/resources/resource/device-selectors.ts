import type { DeviceSelector } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateList } from './list-checks.js';

const maximumSelectors = 32;
type Engine = typeof import('../../../machinery/cel/device-selector.js');

/** Checks the expressions of one object; made for it, so that the checks themselves need not wait. */
export class SelectorChecks {
  readonly #engine: Engine | undefined;

  private constructor(engine: Engine | undefined) {
    this.#engine = engine;
  }

  /** Imports the engine where there is something for it: it takes 17 MB. */
  static async of(lists: Iterable<readonly DeviceSelector[] | undefined>): Promise<SelectorChecks> {
    for (const list of lists)
      if (list?.some(({ cel }) => cel)) return new SelectorChecks(await import('../../../machinery/cel/device-selector.js'));
    return new SelectorChecks(undefined);
  }

  validate(selectors: readonly DeviceSelector[] | undefined, path: FieldPath, errors: FieldErrors): void {
    validateList(selectors, maximumSelectors, path, errors, ({ cel }, at) => {
      if (!cel) errors.required(at.child('cel'));
      else this.#expression(cel.expression ?? '', at.child('cel', 'expression'), errors);
    });
  }

  #expression(expression: string, path: FieldPath, errors: FieldErrors): void {
    const { compileDeviceSelector, deviceSelectorCostLimit, deviceSelectorMaximumBytes } = this.#engine!;
    if (Buffer.byteLength(expression) > deviceSelectorMaximumBytes) return errors.tooLong(path, deviceSelectorMaximumBytes);
    const compiled = compileDeviceSelector(expression);
    if ('program' in compiled) {
      if (compiled.program.estimatedCost > deviceSelectorCostLimit) errors.forbidden(path, 'too complex, exceeds cost limit');
    } else if (compiled.fault.isInternal) errors.internal(path, compiled.fault.detail);
    else errors.invalid(path, expression, compiled.fault.detail);
  }
}
