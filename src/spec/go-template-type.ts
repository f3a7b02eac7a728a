/** The name of a struct's type in Go, on the object: it stands alone so that a table need not load the templates. */
export const goType: unique symbol = Symbol("Go type");
