/** The tree of a template. `at` is the offset in its text, for errors. */
export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly at: number; readonly pipe: Pipe }
  | { readonly kind: "if" | "with" | "range"; readonly at: number; readonly pipe: Pipe; readonly body: readonly Node[]; readonly otherwise: readonly Node[] }
  | { readonly kind: "break" | "continue" };

export type Pipe = {
  readonly kind: "pipe";
  readonly at: number;
  /** Names with their dollar sign. */
  readonly variables: readonly string[];
  /** True for "=", false for ":=". */
  readonly assigns: boolean;
  readonly commands: readonly CommandNode[];
};

export type CommandNode = { readonly kind: "command"; readonly at: number; readonly args: readonly Operand[] };

export type Operand =
  | { readonly kind: "field"; readonly at: number; readonly path: readonly string[] }
  | { readonly kind: "variable"; readonly at: number; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: "chain"; readonly at: number; readonly of: Operand; readonly path: readonly string[] }
  | { readonly kind: "function"; readonly at: number; readonly name: string }
  | { readonly kind: "dot" | "nil"; readonly at: number }
  | { readonly kind: "constant"; readonly at: number; readonly text: string; readonly value: string | number | boolean }
  | Pipe;

/** A node as Go writes it in errors. */
export function show(node: Operand | CommandNode): string {
  switch (node.kind) {
    case "field":
      return node.path.map((name) => `.${name}`).join("");
    case "variable":
      return [node.name, ...node.path].join(".");
    case "chain":
      return `${node.of.kind === "pipe" ? `(${show(node.of)})` : show(node.of)}${node.path.map((name) => `.${name}`).join("")}`;
    case "function":
      return node.name;
    case "dot":
      return ".";
    case "nil":
      return "nil";
    case "constant":
      return node.text;
    case "command":
      return node.args.map((arg) => (arg.kind === "pipe" ? `(${show(arg)})` : show(arg))).join(" ");
    case "pipe": {
      const start = node.variables.length === 0 ? "" : `${node.variables.join(", ")} ${node.assigns ? "=" : ":="} `;
      return start + node.commands.map(show).join(" | ");
    }
  }
}
