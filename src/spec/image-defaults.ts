/**
 * What an image says of containers that are made of it: the `config` object of its configuration. Checked once, where the
 * document is read, and frozen, so that whoever merges it later finds lists of texts where it looks for them, and two
 * containers never share what one of them changes (security IMG-01, IMG-06, IMG-07).
 */
import { fail } from "#base/errors.ts";

type Json = Record<string, unknown>;
type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isInteger: Check = (value) => Number.isSafeInteger(value);
const isFlag: Check = (value) => typeof value === "boolean";
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const isList: Check = (value) => Array.isArray(value) && value.every(isText);
const isLabels: Check = (value) => isObject(value) && Object.values(value).every(isText);
const isSet: Check = isObject;

const HEALTH: Readonly<Record<string, Check>> = { Test: isList, Interval: isInteger, Timeout: isInteger, StartPeriod: isInteger, StartInterval: isInteger, Retries: isInteger };
const isHealth: Check = (value) => isObject(value) && Object.entries(HEALTH).every(([key, check]) => value[key] == null || check(value[key]));

const FIELDS: Readonly<Record<string, Check>> = {
  User: isText, WorkingDir: isText, StopSignal: isText, Domainname: isText, Hostname: isText, Image: isText,
  Env: isList, Cmd: isList, Entrypoint: isList, OnBuild: isList, Shell: isList,
  Labels: isLabels, ExposedPorts: isSet, Volumes: isSet, Healthcheck: isHealth, ArgsEscaped: isFlag,
};

/** Fields that say nothing (null) are left out; those that are unknown stay. @throws invalid */
export function checkDefaults(value: unknown): Readonly<Json> {
  if (value === undefined || value === null) return Object.freeze({});
  if (!isObject(value)) throw fail("invalid", "read an image: config of an image configuration is no object");
  const odd = Object.entries(FIELDS).find(([key, check]) => value[key] != null && !check(value[key]));
  if (odd !== undefined) throw fail("invalid", `read an image configuration: its config's ${odd[0]} is not what it has to be`);
  return deepFreeze(Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null)));
}

/** JSON: no circles, and bounded depth. */
function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
