/**
 * Services that a client offers to the builder while it builds, on the connection of its session.
 * Field numbers as in moby/buildkit's session/ and tonistiigi/fsutil's types/.
 */
import { statusMessage } from "#base/grpc/status.ts";
import { bigint64, bytes, int32, int64, map, message, sub, text, uint32 } from "#base/protobuf.ts";

export const METHODS = {
  health: "/grpc.health.v1.Health/Check",
  fileSync: "/moby.filesync.v1.FileSync/DiffCopy",
  fileSend: "/moby.filesync.v1.FileSend/DiffCopy",
  credentials: "/moby.filesync.v1.Auth/Credentials",
  fetchToken: "/moby.filesync.v1.Auth/FetchToken",
  tokenAuthority: "/moby.filesync.v1.Auth/GetTokenAuthority",
  verifyTokenAuthority: "/moby.filesync.v1.Auth/VerifyTokenAuthority",
  secret: "/moby.buildkit.secrets.v1.Secrets/GetSecret",
  checkAgent: "/moby.sshforward.v1.SSH/CheckAgent",
  forwardAgent: "/moby.sshforward.v1.SSH/ForwardAgent",
  pull: "/moby.upload.v1.Upload/Pull",
  /** Ours alone: a step has failed, and a shell in it, if there is one; debugMessages both ways. */
  debug: "/gantry.build.v1.Debug/Shell",
} as const;

/** Headers of POST /session. */
export const SESSION = {
  id: "X-Docker-Expose-Session-Uuid",
  name: "X-Docker-Expose-Session-Name",
  sharedKey: "X-Docker-Expose-Session-Sharedkey",
  method: "X-Docker-Expose-Session-Grpc-Method",
} as const;

/** Metadata of FileSync and FileSend. Values with more than ASCII are query-escaped, and "NAME-encoded" is "1". */
export const SYNC = {
  folder: "dir-name",
  include: "include-patterns",
  exclude: "exclude-patterns",
  follow: "followpaths",
  exporter: "buildkit-attachable-exporter-id",
  exporterMetadata: "exporter-md-",
  /**
   * Ours alone. In a request: the names that the client gave to states of the folder which the engine remembers. In the
   * answer: the name of its state now. If that is one of those, no entries follow: nothing has changed.
   */
  state: "gantry-state",
  /** Ours alone. With a build: "FOLDER=STATE", the name of the state of all that is in a folder now. */
  folderState: "gantry-folder-state",
} as const;

/** `mode` is Go's os.FileMode (MODE); `modTime` Unix nanoseconds; `linkname` of a symlink, or of a file that is a hard link. */
export const stat = message("fsutil.types.Stat", {
  path: text(1),
  mode: uint32(2),
  uid: uint32(3),
  gid: uint32(4),
  size: int64(5),
  modTime: bigint64(6),
  linkname: text(7),
  devmajor: int64(8),
  devminor: int64(9),
  xattrs: map(10, bytes(0)),
  /** Ours alone: when the kernel says it was last changed in any way, Unix nanoseconds. 0: the client does not say. */
  changed: bigint64(99),
});

/** Go's os.FileMode: what it has besides the permissions. */
export const MODE = {
  directory: 0x80000000,
  symlink: 0x08000000,
  device: 0x04000000,
  fifo: 0x02000000,
  socket: 0x01000000,
  setuid: 0x00800000,
  setgid: 0x00400000,
  character: 0x00200000,
  sticky: 0x00100000,
} as const;

export const PACKET = { stat: 0, request: 1, data: 2, finish: 3, error: 4 } as const;

/** Entries in the order of paths, then one without a `stat`; requests by their places; data, its end an empty one; finish both ways. */
export const packet = message("fsutil.types.Packet", { type: int32(1), stat: sub(2, stat), id: uint32(3), data: bytes(4) });

export const bytesMessage = message("BytesMessage", { data: bytes(1) });

/**
 * The engine's first message is what begins: the step, and the status that the build will end with; `shell`: its path, or ""
 * because of `reason`. Then `data` both ways is the terminal's, and `size` the client's.
 */
export const debugMessage = message("gantry.build.v1.DebugMessage", {
  data: bytes(1),
  begin: sub(2, message("gantry.build.v1.DebugBegin", { step: text(1), vertex: text(2), shell: text(3), reason: text(4), status: sub(5, statusMessage) })),
  size: sub(3, message("gantry.build.v1.TerminalSize", { rows: int32(1), columns: int32(2) })),
});

export const credentialsRequest = message("CredentialsRequest", { host: text(1) });
export const credentialsResponse = message("CredentialsResponse", { username: text(1), secret: text(2) });

/** Bytes of a secret, at most. */
export const MAX_SECRET = 500 * 1024;
export const secretRequest = message("GetSecretRequest", { id: text(1), annotations: map(2, text(0)) });
export const secretResponse = message("GetSecretResponse", { data: bytes(1) });

export const checkAgentRequest = message("CheckAgentRequest", { id: text(1) });

export const healthResponse = message("HealthCheckResponse", { status: int32(1) });
export const SERVING = 1;
