/** An image's name in full: `nginx` is `docker.io/library/nginx:latest`. Undefined for what is not a name. Source: distribution/reference. */
export function normalizeImageName(image: string): string | undefined {
  const match =
    /^(.+?)(?::([\w][\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$/.exec(image);
  if (!match) return undefined;
  let name = match[1]!;
  const [, , tag, digest] = match;
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  if (slash < 0) name = `docker.io/library/${name}`;
  else if (!/[.:]/.test(first) && first !== 'localhost' && first.toLowerCase() === first) name = `docker.io/${name}`;
  const path = name.slice(name.indexOf('/') + 1);
  if (!/^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/.test(path)) return undefined;
  if (digest) return `${name}${tag ? `:${tag}` : ''}@${digest}`;
  return `${name}:${tag ?? 'latest'}`;
}
