/** Go's os.FileMode, which Docker's API shows instead of the kernel's mode: https://pkg.go.dev/io/fs#FileMode. Pure. */

const S_IFMT = 0o170000;
const TYPES: Readonly<Record<number, number>> = {
  0o040000: 2 ** 31, // directory
  0o120000: 2 ** 27, // symbolic link
  0o060000: 2 ** 26, // block device
  0o010000: 2 ** 25, // FIFO
  0o140000: 2 ** 24, // socket
  0o020000: 2 ** 26 + 2 ** 21, // character device
};

export function goMode(mode: number): number {
  const special = ((mode & 0o4000) === 0 ? 0 : 2 ** 23) + ((mode & 0o2000) === 0 ? 0 : 2 ** 22) + ((mode & 0o1000) === 0 ? 0 : 2 ** 20);
  return (mode & 0o777) + special + (TYPES[mode & S_IFMT] ?? 0);
}
