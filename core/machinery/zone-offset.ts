/** How far the clocks of a zone are ahead of UTC at an instant, in milliseconds, whole seconds. */
export type ZoneOffset = (instantMs: number) => number;

/** Of a zone as Intl names it (IANA's names, other cases of letters, offsets); undefined for a name not known. */
export function offsetOfZone(timeZone: string): ZoneOffset | undefined {
  let formatter: Intl.DateTimeFormat;
  try {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return instantMs => {
    const parts: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {};
    for (const { type, value } of formatter.formatToParts(instantMs)) parts[type] = value;
    const year = parts.era === 'BC' ? 1 - Number(parts.year) : Number(parts.year);
    const shown = new Date(0);
    // Date.UTC takes the years before 100 for others.
    shown.setUTCFullYear(year, Number(parts.month) - 1, Number(parts.day));
    shown.setUTCHours(Number(parts.hour), Number(parts.minute), Number(parts.second));
    return shown.getTime() - Math.floor(instantMs / 1000) * 1000;
  };
}
