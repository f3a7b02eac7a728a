/** WWW-Authenticate, of which a server may send several. */

export type Challenge =
  | { readonly scheme: "basic" }
  | { readonly scheme: "bearer"; readonly realm: string; readonly service: string; readonly scope: string; readonly error: string };

const MOST = 8192;

/** Bearer is preferred to Basic; undefined when there is neither. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > MOST) return undefined;
  const found = readChallenges(header);
  const bearer = found.find(({ scheme, parameters }) => scheme === "bearer" && parameters["realm"] !== undefined);
  if (bearer !== undefined) {
    const { realm = "", service = "", scope = "", error = "" } = bearer.parameters;
    return { scheme: "bearer", realm, service, scope, error };
  }
  return found.some(({ scheme }) => scheme === "basic") ? { scheme: "basic" } : undefined;
}

type Raw = { scheme: string; parameters: Record<string, string> };

/** RFC 9110: a scheme, then parameters with commas between; a new scheme is a token without "=". */
function readChallenges(header: string): Raw[] {
  const found: Raw[] = [];
  const token = /[\s,]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/y;
  for (let match = token.exec(header); match !== null; match = token.exec(header)) {
    const [, name = "", quoted, plain] = match;
    const value = quoted?.replace(/\\(.)/g, "$1") ?? plain;
    if (value === undefined) found.push({ scheme: name.toLowerCase(), parameters: Object.create(null) as Record<string, string> });
    else if (found.length > 0) found.at(-1)!.parameters[name.toLowerCase()] ??= value;
  }
  return found;
}
