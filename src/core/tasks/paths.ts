/** Where a task's files are. */
/** The part of a container's id that names its files. */
export const shortTaskId = (id: string): string => id.slice(0, 32);

export type TaskPaths = { readonly socket: string; readonly record: string };

export const tasksFolder = (execRoot: string): string => `${execRoot}/tasks`;

export function taskPaths(execRoot: string, id: string): TaskPaths {
  const base = `${tasksFolder(execRoot)}/${shortTaskId(id)}`;
  return { socket: `${base}.sock`, record: `${base}.exit` };
}

export const execRecord = (paths: TaskPaths, exec: string): string => `${paths.record}.${exec}`;
