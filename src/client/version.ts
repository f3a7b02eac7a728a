/** Gantry's version, as package.json has it (a test compares the two: reading the file would cost start-up time). */
export const VERSION = "0.1.0";
