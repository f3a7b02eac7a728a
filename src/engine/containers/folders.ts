/** Where a container's own files are: its log, and the files that tell it of names. Never what is in its tree. */
type Place = { readonly config: { readonly dataRoot: string } };

export const foldersRoot = ({ config }: Place): string => `${config.dataRoot}/containers`;
export const containerFolder = (place: Place, id: string): string => `${foldersRoot(place)}/${id}`;
export const logFile = (place: Place, id: string): string => `${containerFolder(place, id)}/${id}-json.log`;
