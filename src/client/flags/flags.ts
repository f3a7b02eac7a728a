/**
 * Flags as docker's users know them (the rules are those of GNU getopt_long as pflag reads them): `--name value`,
 * `--name=value`, `-n value`, `-nvalue`, `-n=value`, `-abc`, `--` ends them. A boolean takes a value only after "=".
 *
 * A command states its flags as a literal object; the type of the options follows from it. The kinds stand in
 * kinds.ts, the reader in parse.ts, the help in help.ts.
 */
export type Flag<T = unknown> = {
  readonly short?: string;
  readonly text: string;
  /** The value's name in the help, "" for a boolean. */
  readonly kind: string;
  readonly initial: T;
  /** The default as the help shows it, when it does. */
  readonly shown?: string;
  /** The value that stands for the flag without one: "true" for a boolean. */
  readonly bare?: string;
  readonly hidden?: boolean;
  /** The flag whose value this one sets: another name of it. */
  readonly into?: string;
  /** The value after one more occurrence. Throws a Failure whose message says what is wrong with the text. */
  readonly parse: (text: string, before: T) => T;
};

export type Flags = Readonly<Record<string, Flag<any>>>;

/** The values by flag name, and `given`: the names that occurred. */
export type OptionsOf<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
} & { readonly given: ReadonlySet<string> };
