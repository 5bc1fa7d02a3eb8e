import { CodedError } from '../base/errors.js';
import { didYouMean } from '../base/nearest-name.js';

/** Takes `-o FORM` (`--output`) out of arguments whose rest are flags of a server. The first of `forms` is the default. */
export function takeOutput<Form extends string>(
  argumentList: readonly string[],
  forms: readonly [Form, ...Form[]],
): { readonly output: Form; readonly others: readonly string[] } {
  const others: string[] = [];
  let output: string = forms[0];
  for (let at = 0; at < argumentList.length; at++) {
    const match = /^(?:-o|--output)(?:=(.*))?$/.exec(argumentList[at]!);
    if (!match) others.push(argumentList[at]!);
    else output = match[1] ?? argumentList[++at] ?? '';
  }
  const known = forms.find(form => form === output);
  if (known !== undefined) return { output: known, others };
  const text = `-o must be one of ${forms.join(', ')}, not "${output}"${didYouMean(output, forms)}`;
  throw new CodedError('USAGE', text, { mend: '--write-kubeconfig has no short form here' });
}
