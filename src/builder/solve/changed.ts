/** The result of a step that had to be made again is another one than it was: what follows from it is known anew. */
export class Changed extends Error {}
