/** What `--format` takes, for the help pages. */
const template =
  "'json':             One JSON object a line\n'TEMPLATE':         A Go template, such as '{{.ID}}'";

export const FORMAT = {
  table: `Print as told:\n'table':            A table with headers (default)\n'table TEMPLATE':   A table of the template's columns\n${template}`,
  object: `Print as told:\n'json':             One JSON object a line\n'TEMPLATE':         A Go template, such as '{{.Id}}'`,
} as const;
