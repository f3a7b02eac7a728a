/** Proxy settings of config.json, as variables of a container: those of this engine's address, or the default ones. */
const NAMES: readonly (readonly [key: string, variable: string])[] = [
  ["httpProxy", "HTTP_PROXY"],
  ["httpsProxy", "HTTPS_PROXY"],
  ["noProxy", "NO_PROXY"],
  ["ftpProxy", "FTP_PROXY"],
  ["allProxy", "ALL_PROXY"],
];

export function proxyVariables(proxies: Readonly<Record<string, Readonly<Record<string, string>>>>, address: string): string[] {
  const settings = proxies[address] ?? proxies["default"] ?? {};
  return NAMES.flatMap(([key, variable]) => {
    const value = settings[key];
    return value === undefined || value === "" ? [] : [`${variable}=${value}`, `${variable.toLowerCase()}=${value}`];
  });
}
