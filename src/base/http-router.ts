/**
 * Routes by table. A path is made of literals and parameters; `{name}` is one segment, `{name...}` one or more:
 *
 *     { method: "GET", path: "/containers/{id}/json" }
 *     { method: "GET", path: "/images/{name...}/json" }     // name may be "library/busybox:1"
 *
 * Literal paths come before patterns; among patterns the table's order decides. A parameter may begin with one slash
 * ("/containers//web/json"): some clients pass a container's name as inspect shows it.
 */
export type Route = { readonly method: string; readonly path: string };

export type RouteMatch<R extends Route> = { readonly route: R; readonly params: Readonly<Record<string, string>> };

export function compileRoutes<R extends Route>(table: readonly R[]): (method: string, path: string) => RouteMatch<R> | undefined {
  const literals = new Map<string, R>();
  const patterns = new Map<string, Pattern<R>[]>();
  for (const route of table) {
    if (!route.path.includes("{")) literals.set(`${route.method} ${route.path}`, route);
    else groupOf(patterns, `${route.method} ${firstSegment(route.path)}`).push(compile(route));
  }
  return (method, path) => {
    const literal = literals.get(`${method} ${path}`);
    if (literal !== undefined) return { route: literal, params: {} };
    for (const pattern of patterns.get(`${method} ${firstSegment(path)}`) ?? []) {
      const groups = pattern.expression.exec(path);
      if (groups !== null) return { route: pattern.route, params: paramsOf(pattern, groups) };
    }
    return undefined;
  };
}

type Pattern<R> = { readonly route: R; readonly expression: RegExp; readonly names: readonly string[] };

function compile<R extends Route>(route: R): Pattern<R> {
  const names: string[] = [];
  const source = route.path.replace(/\{(\w+)(\.\.\.)?\}|[.*+?^$()|[\]\\]/g, (sign, name?: string, many?: string) => {
    if (name === undefined) return `\\${sign}`;
    names.push(name);
    return many === undefined ? "(/?[^/]+)" : "(.+)";
  });
  return { route, names, expression: new RegExp(`^${source}$`, "s") };
}

const paramsOf = (pattern: { names: readonly string[] }, groups: RegExpExecArray) =>
  Object.fromEntries(pattern.names.map((name, i) => [name, groups[i + 1]!]));

function firstSegment(path: string): string {
  const end = path.indexOf("/", 1);
  return end < 0 ? path : path.slice(0, end);
}

function groupOf<V>(map: Map<string, V[]>, key: string): V[] {
  const group = map.get(key) ?? [];
  map.set(key, group);
  return group;
}
