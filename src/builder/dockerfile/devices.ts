/** RUN --device=…: what it says. */
import { fail } from "#base/errors.ts";
import { csvFields } from "./csv.ts";
import { didYouMean } from "./suggest.ts";

export type Device = { readonly name: string; readonly required: boolean };

const TRUE = /^(1|t|T|true|TRUE|True)$/;
const FALSE = /^(0|f|F|false|FALSE|False)$/;

/** "vendor.com/class=name,required". @throws invalid */
export function parseDevice(text: string): Device {
  let name = "";
  let required = false;
  for (const field of csvFields(text, "devices")) {
    const [, key = "", value] = /^([^=]*)(?:=(.*))?$/s.exec(field) ?? [];
    const word = key.toLowerCase();
    if (word === "required") required = value === undefined || flag(value);
    else if (word === "name" && value !== undefined) name = name === "" ? value : raise(`device name already set to ${name}`);
    else if (name === "") name = field;
    else if (value === undefined) throw fail("invalid", `invalid field '${field}' must be a key=value pair`);
    else throw fail("invalid", `unexpected key '${word}' in '${field}'${didYouMean(word, ["name", "required"], { exactCase: true })}`);
  }
  return { name, required };
}

const flag = (value: string): boolean => TRUE.test(value) || (FALSE.test(value) ? false : raise(`invalid value for required: ${value}`));

const raise = (message: string): never => {
  throw fail("invalid", message);
};
