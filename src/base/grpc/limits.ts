/** Bytes of a message; of what waits to be read of a stream and of a connection; streams at a time that a client may open. */
export const MAX_MESSAGE = 16 * 2 ** 20;
export const STREAM_WINDOW = 2 ** 20;
export const CONNECTION_WINDOW = 8 * 2 ** 20;
export const MAX_STREAMS = 64;
