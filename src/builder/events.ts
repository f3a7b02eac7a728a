/** What a build tells while it goes on: BuildKit's model of vertices, which every door shows in its own way. */

/** Times are Unix nanoseconds. */
export type BuildEvent =
  /** Once, when the graph is known: steps in the order of the Dockerfile that the target needs. */
  | { readonly kind: "plan"; readonly vertices: readonly PlannedVertex[] }
  /** Once, before the plan is known: the Dockerfile's ARGs before the first FROM, its FROMs with their lines, and how many instructions there are up to the target, labels of the request among them. */
  | { readonly kind: "dockerfile"; readonly meta: readonly string[]; readonly froms: readonly { readonly text: string; readonly line: number }[]; readonly instructions: number; readonly emptyContinuations: readonly string[] }
  /** Once, when the plan is known: every instruction that the target needs, in the order of the Dockerfile. */
  | { readonly kind: "instructions"; readonly instructions: readonly ToldInstruction[]; readonly unusedArgs: readonly string[] }
  /** Told again when it changes; what is not said is not so yet. */
  | ({ readonly kind: "vertex" } & Vertex)
  | { readonly kind: "log"; readonly vertex: string; readonly stream: 1 | 2; readonly data: Uint8Array; readonly time: bigint }
  /** Progress of something within a vertex: bytes sent, a layer pulled. */
  | { readonly kind: "status"; readonly vertex: string; readonly id: string; readonly name: string; readonly current: number; readonly total: number; readonly started: bigint; readonly completed?: bigint }
  | { readonly kind: "warning"; readonly vertex: string; readonly warning: BuildWarning };

export type Vertex = {
  /** "sha256:…", made of the step's definition. */
  readonly id: string;
  /** "[build 2/5] RUN npm ci" */
  readonly name: string;
  readonly group?: VertexGroup;
  readonly inputs: readonly string[];
  readonly started?: bigint;
  readonly completed?: bigint;
  readonly cached?: boolean;
  readonly error?: string;
  /** What it resulted in: the same content has the same. */
  readonly result?: string;
  /** Of a step that is kept: what is different from the last time it was made; empty when it was found. */
  readonly why?: readonly string[];
};

/** Vertices with the same id are shown as one; weak ones alone are not shown. */
export type VertexGroup = { readonly id: string; readonly name: string; readonly weak: boolean };

export type PlannedVertex = {
  readonly id: string;
  readonly name: string;
  readonly group?: VertexGroup;
  /** The Dockerfile's text of the instruction, on one line, as the classic builder prints it; undefined for what has none. */
  readonly instruction?: string;
  readonly stage?: string;
};

/** What lint has to say. Ranges are lines of the Dockerfile, from 1, both ends included. */
export type BuildWarning = {
  readonly rule: string;
  readonly detail: string;
  readonly description: string;
  readonly url: string;
  readonly file: string;
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
};

/** An instruction as the classic builder shows it. */
export type ToldInstruction = {
  /** On one line. */
  readonly text: string;
  readonly stage: string;
  /** A trigger of the base's: stands after the FROM. */
  readonly onBuild: boolean;
  readonly line: number;
  /** The vertex that makes it; undefined when it only changes the configuration, or is a FROM. */
  readonly vertex?: string;
  /** A FROM's image, "" of scratch; undefined of a stage before it. */
  readonly image?: string;
  /** The image after it is told of as soon as it is known (BuildOptions.intermediate). */
  readonly hasImage?: boolean;
  /** The stage that a FROM goes on from. */
  readonly parent?: string;
};
