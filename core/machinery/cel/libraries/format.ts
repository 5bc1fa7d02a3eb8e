import {
  nameIsDns1035Label,
  nameIsDnsLabel,
  nameIsDnsSubdomain,
  validateLabelValue,
  validateQualifiedName,
} from '../../names.js';
import { listType, objectType, optionalType, stringType } from '../cel-type.js';
import type { Library } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import type { CelError, CelValue } from '../values.js';
import { ArrayList, noSuchOverload, ObjectValue, OptionalValue } from '../values.js';
import { isCivilDate } from '../timestamps.js';
import { parseRequestUrl, UrlFailure } from './go-url.js';

/** Kubernetes' named formats: `format.dns1123Label().validate(text)`. */

const formatType = objectType('kubernetes.NamedFormat');

export interface NamedFormat {
  readonly name: string;
  /** What is wrong with a text; empty for nothing. */
  readonly validate: (text: string) => readonly string[];
  /** For cost: the characters of upstream's pattern. */
  readonly patternLength: number;
}

export class FormatValue extends ObjectValue {
  readonly type = formatType;

  constructor(readonly format: NamedFormat) {
    super();
  }

  equals(other: CelValue): boolean | CelError {
    return other instanceof FormatValue ? other.format.name === this.format.name : noSuchOverload;
  }

  toString(): string {
    return this.format.name;
  }
}

function matching(test: (text: string) => boolean, message: string): (text: string) => readonly string[] {
  return text => (test(text) ? [] : [message]);
}

function validateUri(text: string): readonly string[] {
  try {
    parseRequestUrl(text);
    return [];
  } catch (error) {
    if (error instanceof UrlFailure) return [error.message];
    throw error;
  }
}

const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/;
const timeOfDay = /^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$/;
const dateTimePatternLength = 71;

function isDateTime(text: string): boolean {
  const parts = text.toLowerCase().split('t');
  if (parts.length < 2 || !isCivilDate(parts[0]!)) return false;
  const match = timeOfDay.exec(parts[1]!);
  return match !== null && match[1]! <= '23' && match[2]! <= '59' && match[3]! <= '59';
}

const formats: Readonly<Record<string, NamedFormat>> = {
  dns1123Label: { name: 'DNS1123Label', validate: text => nameIsDnsLabel(text, false), patternLength: 30 },
  dns1123Subdomain: { name: 'DNS1123Subdomain', validate: text => nameIsDnsSubdomain(text, false), patternLength: 60 },
  dns1035Label: { name: 'DNS1035Label', validate: text => nameIsDns1035Label(text, false), patternLength: 30 },
  qualifiedName: { name: 'QualifiedName', validate: validateQualifiedName, patternLength: 60 },
  dns1123LabelPrefix: { name: 'DNS1123LabelPrefix', validate: text => nameIsDnsLabel(text, true), patternLength: 30 },
  dns1123SubdomainPrefix: {
    name: 'DNS1123SubdomainPrefix',
    validate: text => nameIsDnsSubdomain(text, true),
    patternLength: 60,
  },
  dns1035LabelPrefix: { name: 'DNS1035LabelPrefix', validate: text => nameIsDns1035Label(text, true), patternLength: 30 },
  labelValue: { name: 'LabelValue', validate: validateLabelValue, patternLength: 40 },
  uri: { name: 'URI', validate: validateUri, patternLength: 1103 },
  uuid: { name: 'uuid', validate: matching(text => uuid.test(text), 'does not match the UUID format'), patternLength: 70 },
  byte: { name: 'byte', validate: matching(text => base64.test(text), 'invalid base64'), patternLength: 84 },
  date: { name: 'date', validate: matching(isCivilDate, 'invalid date'), patternLength: dateTimePatternLength },
  datetime: { name: 'datetime', validate: matching(isDateTime, 'invalid datetime'), patternLength: dateTimePatternLength },
};

function named(name: string): CelValue {
  return Object.hasOwn(formats, name) ? OptionalValue.of(new FormatValue(formats[name]!)) : OptionalValue.none;
}

function validate(value: FormatValue, text: string): CelValue {
  const errors = value.format.validate(text);
  return errors.length === 0 ? OptionalValue.none : OptionalValue.of(new ArrayList(errors));
}

export const formatLibrary: Library = {
  functions: [
    declare(
      'validate',
      memberOverload('format-validate', [formatType, stringType], optionalType(listType(stringType)), validate),
    ),
    declare('format.named', overload('format-named', [stringType], optionalType(formatType), named)),
    ...Object.entries(formats).map(([name, format]) => {
      const value = new FormatValue(format);
      return declare(
        `format.${name}`,
        overload(`format.${name}`, [], formatType, () => value),
      );
    }),
  ],
};
