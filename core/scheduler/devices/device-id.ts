/** Driver, pool and device as one key: neither drivers nor devices have slashes in their names. */
export function deviceKey(driver: string, pool: string, device: string): string {
  return `${driver}/${pool}/${device}`;
}

export function poolKey(driver: string, pool: string): string {
  return `${driver}/${pool}`;
}
